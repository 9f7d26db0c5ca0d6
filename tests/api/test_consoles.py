"""The consoles of boards over the REST API, where there is none, or its manager does not answer as it should."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Conflict
from harness.wasmbed.resources.kinds import DEVICE, SECRET
from harness.wasmbed.resources.names import emulators_api_secret
from tests.api.world import World

CONSOLE = "/api/v1/devices/pump-1/console"
PATHS = (CONSOLE, f"{CONSOLE}/events")


async def board(world: World, *, host: str | None = "one") -> None:
    """A device whose board the manager ``one`` runs, or ran."""
    await world.api.create(DEVICE, manifests.device_with_board("pump-1", "virtual"))
    status = {"phase": "Running" if host else "Stopped", "host": host, "consoleHost": "one"}
    await world.api.patch_status(DEVICE, "pump-1", {"status": {"board": status}})
    await world.server.copies.catch_up(5.0)


async def known(world: World, url: str, token: str = "right") -> None:
    """The Secret of the manager ``one``."""
    data = {"url": b64encode(url.encode()).decode(), "token": b64encode(token.encode()).decode()}
    metadata = {"name": emulators_api_secret("one")}
    body = {"apiVersion": SECRET.api_version, "kind": SECRET.kind, "metadata": metadata, "data": data}
    try:
        await world.api.create(SECRET, body)
    except Conflict:
        await world.api.patch(SECRET, emulators_api_secret("one"), {"data": data})


@asynccontextmanager
async def manager(answer: web.Response) -> AsyncIterator[str]:
    """The address of a program that answers so to the right token."""

    async def handle(request: web.Request) -> web.Response:
        right = request.headers["Authorization"] == "Bearer right"
        return web.Response(body=answer.body, status=answer.status) if right else web.Response(status=401)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("path", PATHS)
async def test_there_is_none(world: World, path: str) -> None:
    await world.ask("GET", path, status=404)
    await world.register("pump-2", phase="Connected")
    problem = await world.ask("GET", path.replace("pump-1", "pump-2"), status=404)
    assert "no board of an emulator manager" in problem["detail"]
    await world.api.create(DEVICE, manifests.device_with_board("pump-1", "virtual"))
    await world.server.copies.catch_up(5.0)
    problem = await world.ask("GET", path, status=404)
    assert problem["detail"] == "no emulator manager has started the board of device pump-1 yet"
    await world.ask("GET", path, role="nobody", status=403)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("host", "status"), [("one", 503), (None, 404)])
async def test_a_manager_without_a_secret(world: World, path: str, host: str | None, status: int) -> None:
    """It comes back for a board that is on."""
    await board(world, host=host)
    assert "emulator manager one" in (await world.ask("GET", path, status=status))["detail"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_manager_that_is_away_and_comes_back_elsewhere_with_another_token(world: World, path: str) -> None:
    await board(world)
    async with manager(web.Response(body=b'{"lines":[],"lastEventId":"a-0"}')) as url:
        await known(world, url)
        await world.ask("GET", path)
    problem = await world.ask("GET", path, status=503)
    assert problem["detail"] == "the emulator manager one, which has the board of pump-1, does not answer"
    async with manager(web.Response(body=b'{"lines":[],"lastEventId":"a-0"}')) as url:
        await known(world, url, "wrong")
        await world.ask("GET", path, status=503)
        await known(world, url)
        await world.ask("GET", path)


async def test_the_token_that_was_right_is_read_anew(world: World) -> None:
    await board(world)
    async with manager(web.Response(body=b'{"lines":[],"lastEventId":"a-0"}')) as old:
        await known(world, old)
        await world.ask("GET", CONSOLE)
        async with manager(web.Response(body=b'{"lines":[],"lastEventId":"b-0"}')) as new:
            await known(world, new)
            assert (await world.ask("GET", CONSOLE))["lastEventId"] == "a-0"  # the old one still answers
    async with manager(web.Response(body=b'{"lines":[],"lastEventId":"c-0"}')) as third:
        await known(world, third)
        assert (await world.ask("GET", CONSOLE))["lastEventId"] == "c-0"


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (web.Response(status=404), 404, "has started again since the board of pump-1 ran"),
        (web.Response(status=500), 503, "refuses: 500"),
        (web.Response(body=b"<html>"), 502, "of this version"),
        (web.Response(body=b'{"lines":[{"at":1}],"lastEventId":"a-0"}'), 502, "of this version"),
    ],
)
async def test_a_manager_that_answers_otherwise(world: World, answer: web.Response, status: int, words: str) -> None:
    await board(world)
    async with manager(answer) as url:
        await known(world, url)
        assert words in (await world.ask("GET", CONSOLE, status=status))["detail"]
