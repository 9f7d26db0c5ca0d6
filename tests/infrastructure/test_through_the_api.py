"""The infrastructure service at the paths of the original's API server, asked by the REST API."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.core.clock import SystemClock
from harness.core.network import SystemNetwork
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.infrastructure.register import Register
from harness.wasmbed.infrastructure.server import InfrastructureServer, InfrastructureSettings
from tests.api.world import World


async def test_what_the_service_says_is_there_as_long_as_it_answers(register: Register) -> None:
    first = World(ApiSettings())
    async with first.running():
        own = first.cluster.client("Infrastructure")
        service = InfrastructureServer(InfrastructureSettings(), register, own, SystemClock(), SystemNetwork())
        host, port = await service.listen()
        url = f"http://{host}:{port}"
        async with World(ApiSettings(infrastructure=url)).beside(first) as world:
            status = await world.ask("GET", "/api/v1/infrastructure/status", role="viewer")
            assert status["components"] == dict.fromkeys(("ca", "secret_store", "monitoring", "logging"), "active")
            assert (await world.ask("GET", "/api/v1/status"))["infrastructure"]["logging_status"] == "active"
            health = await world.ask("GET", "/api/v1/infrastructure/health")
            assert (health["status"], health["infrastructure_endpoint"]) == ("healthy", url)
            assert isinstance((await world.ask("GET", "/api/v1/infrastructure/logs"))["logs"], list)
            assert isinstance(await world.ask("GET", "/api/v1/monitoring/metrics"), list)
            await world.ask("GET", "/api/v1/infrastructure/logs", role="nobody", status=403)
            await service.stop()
            assert "does not answer" in (await world.ask("GET", "/api/v1/infrastructure/logs", status=503))["detail"]
            assert (await world.ask("GET", "/api/v1/infrastructure/health"))["status"] == "unhealthy"
            assert (await world.ask("GET", "/api/v1/status"))["infrastructure"]["ca_status"] == "unknown"


async def test_without_a_service_the_paths_say_how_to_get_one() -> None:
    async with World(ApiSettings()).running() as world:
        problem = await world.ask("GET", "/api/v1/infrastructure/status", status=404)
        assert "--infrastructure" in problem["detail"]
        assert (await world.ask("GET", "/api/v1/infrastructure/health"))["status"] == "unhealthy"


@pytest.mark.parametrize("answer", ["no JSON", "[1]", '{"logs": 1}', "7", '[{"a": ' + "[" * 500 + "]" * 500 + "}]"])
async def test_a_service_that_answers_with_something_else_is_named(answer: str) -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", _always(answer))
    async with TestServer(app) as other:
        url = str(other.make_url("")).rstrip("/")
        async with World(ApiSettings(infrastructure=url)).running() as world:
            for path in ("infrastructure/status", "infrastructure/logs", "monitoring/metrics"):
                problem = await world.ask("GET", f"/api/v1/{path}", status=502)
                assert "check that --infrastructure names an infrastructure service" in problem["detail"]
            assert (await world.ask("GET", "/api/v1/status"))["infrastructure"]["ca_status"] == "unknown"


def _always(text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=text)

    return answer
