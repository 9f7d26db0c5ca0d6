"""The client of the gateways' HTTP API, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import Clock, ManualClock, SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.controllers.gateway_client import GatewayRefused, HttpGatewayClient
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.views import Gateway


class Server:
    """A gateway with scripted answers."""

    def __init__(self) -> None:
        self.requests = []
        self.token = "first"
        self.hang_up = False
        self.answer = lambda: web.json_response({"accepted": True}, status=202)

    async def handle(self, request):
        body = await request.read()
        if self.hang_up:
            request.transport.abort()
        self.requests.append((request.method, request.raw_path, body))
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return web.json_response({"error": "wrong token"}, status=401)
        answer = self.answer()
        return await answer if asyncio.iscoroutine(answer) else answer


async def set_token(api, token):
    data = {"token": b64encode(token.encode()).decode()}
    await api.patch(SECRET, "gateway-gateway-1-api", {"data": data})


@pytest.fixture
def clock(settings: dict[str, Any]) -> Clock:
    """The system's clock, or one made by ``clock`` of the marker ``settings``."""
    made: Clock = settings.get("clock", SystemClock)()
    return made


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def api(clock: Clock, server: Server) -> AsyncIterator[ResourceApi]:
    """A cluster's API with the Secret of the gateway's token."""
    cluster = EmbeddedCluster(clock, Randomness(1))
    await cluster.start()
    api = cluster.client("ApplicationController")
    await api.create(SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gateway-gateway-1-api"}})
    await set_token(api, server.token)
    yield api
    await cluster.stop()


@pytest.fixture
async def gateway(server: Server) -> AsyncIterator[Gateway]:
    """The Gateway whose HTTP API is ``server``."""
    app = web.Application(client_max_size=4 << 20)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield Gateway({"metadata": {"name": "gateway-1"}, "status": {"apiEndpoint": endpoint}})
    await runner.cleanup()


@pytest.fixture
async def client(api: ResourceApi, gateway: Gateway, clock: Clock) -> AsyncIterator[HttpGatewayClient]:
    client = HttpGatewayClient(api, clock, SystemNetwork(), answer_within=5.0)
    yield client
    await client.close()


async def test_deploy_and_stop_are_sent_to_the_gateway(
    client: HttpGatewayClient, gateway: Gateway, server: Server
) -> None:
    await client.deploy(gateway, "blink", "edge-1", b'{"a":1}')
    await client.stop(gateway, "blink", "edge-1")
    assert server.requests == [
        ("PUT", "/api/v1/applications/blink/devices/edge-1", b'{"a":1}'),
        ("DELETE", "/api/v1/applications/blink/devices/edge-1", b""),
    ]


async def test_a_large_module_arrives_complete(client: HttpGatewayClient, gateway: Gateway, server: Server) -> None:
    body = bytes(1_500_000)
    await client.deploy(gateway, "blink", "edge-1", body)
    assert server.requests[0][2] == body


async def test_a_refusal_has_the_gateways_reason(client: HttpGatewayClient, gateway: Gateway, server: Server) -> None:
    server.answer = lambda: web.json_response({"error": "no session"}, status=404)
    with pytest.raises(GatewayRefused, match=r"^no session$") as caught:
        await client.stop(gateway, "blink", "edge-1")
    assert caught.value.status == 404
    server.answer = lambda: web.Response(text="<h1>Bad Gateway</h1>", status=502)
    with pytest.raises(GatewayRefused, match="Bad Gateway"):
        await client.stop(gateway, "blink", "edge-1")


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (413, True), (422, True), (401, False), (404, False), (429, False), (503, False)]
)
def test_which_refusals_are_final(status, final) -> None:
    assert GatewayRefused(status, "").final is final


async def test_a_token_that_was_replaced_is_read_again(
    client: HttpGatewayClient, gateway: Gateway, server: Server, api: ResourceApi
) -> None:
    await client.stop(gateway, "blink", "edge-1")
    server.token = "second"
    await set_token(api, "second")
    await client.stop(gateway, "blink", "edge-1")
    assert len(server.requests) == 3


async def test_a_wrong_token_is_refused_once(client: HttpGatewayClient, gateway: Gateway, server: Server) -> None:
    server.token = "other"
    with pytest.raises(GatewayRefused, match="wrong token"):
        await client.stop(gateway, "blink", "edge-1")
    assert len(server.requests) == 1
    server.token = "first"
    await client.stop(gateway, "blink", "edge-1")


async def test_a_missing_secret_is_named(client: HttpGatewayClient, gateway: Gateway, api: ResourceApi) -> None:
    await api.delete(SECRET, "gateway-gateway-1-api")
    with pytest.raises(GatewayRefused, match="gateway-gateway-1-api") as caught:
        await client.stop(gateway, "blink", "edge-1")
    assert not caught.value.final


async def test_a_gateway_that_does_not_listen_is_a_connection_error(client: HttpGatewayClient) -> None:
    unreachable = Gateway({"metadata": {"name": "gateway-1"}, "status": {"apiEndpoint": "http://127.0.0.1:1"}})
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1"):
        await client.stop(unreachable, "blink", "edge-1")


async def test_a_broken_connection_is_a_connection_error(
    client: HttpGatewayClient, gateway: Gateway, server: Server
) -> None:
    server.hang_up = True
    with pytest.raises(OSError, match="applications/blink"):
        await client.stop(gateway, "blink", "edge-1")


@pytest.mark.settings(clock=ManualClock)
async def test_a_missing_answer_is_a_timeout(
    client: HttpGatewayClient, gateway: Gateway, server: Server, clock: ManualClock
) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def never():
        arrived.set()
        await released.wait()

    server.answer = never
    asking = asyncio.create_task(client.stop(gateway, "blink", "edge-1"))
    await arrived.wait()
    await clock.advance(4.9)
    assert not asking.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await asking
    released.set()


async def test_an_unreachable_gateway_has_a_readable_error(client: HttpGatewayClient) -> None:
    """Python's and aiohttp's own messages show the address as a tuple."""

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gone = Gateway({"metadata": {"name": "gateway-1"}, "status": {"apiEndpoint": f"http://127.0.0.1:{port}"}})
    with pytest.raises(ConnectionError) as refused:
        await client.stop(gone, "app", "device")
    path = f"http://127.0.0.1:{port}/api/v1/applications/app/devices/device"
    assert str(refused.value) == f"{path}: Connect call failed 127.0.0.1:{port}: Connection refused"
