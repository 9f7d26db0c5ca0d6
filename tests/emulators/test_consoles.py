"""The consoles of a manager: what is kept, who may read it, and how a reader goes on after a break."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest

from harness.boards.console import Console
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.emulators.consoles import KEPT, LONGEST, Consoles
from harness.emulators.http_api import ConsoleRoutes
from harness.wasmbed.controllers.probes import Probes
from harness.wasmbed.resources.api import NotFound, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import emulators_api_secret

ONE = "/api/v1/consoles/pump-1"


class Nobody:
    """A manager of nothing."""

    controllers = ()
    leading = synced = healthy = True


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Consoles, Console, aiohttp.ClientSession, ResourceApi]]:
    """A manager's consoles, the console of a board, somebody with the token, and the cluster."""
    clock = SystemClock()
    cluster = EmbeddedCluster(clock, Randomness(1))
    await cluster.start()
    api = cluster.client("EmulatorManager")
    consoles, console = Consoles(api, "one", clock, Randomness(2)), Console("pump-1", clock)
    consoles.follow("pump-1", console)
    probes = Probes(Nobody(), clock, SystemNetwork(), more=ConsoleRoutes(consoles).routes)
    url = "http://{}:{}".format(*await probes.start(("127.0.0.1", 0)))
    consoles.served_at(url)
    try:
        headers = {"Authorization": f"Bearer {consoles.token}"}
        async with aiohttp.ClientSession(url, headers=headers) as session:
            yield consoles, console, session, api
    finally:
        consoles.close()
        await probes.stop()
        await cluster.stop()


async def read(session: aiohttp.ClientSession) -> dict[str, Any]:
    async with session.get(ONE) as answer:
        assert answer.status == 200
        document: dict[str, Any] = await answer.json()
    return document


async def next_event(answer: aiohttp.ClientResponse) -> tuple[str, dict[str, Any]]:
    """The kind and the data of the next event."""
    kind = ""
    async for line in answer.content:
        if line.startswith(b"event: "):
            kind = line.removeprefix(b"event: ").decode().strip()
        if line.startswith(b"data: "):
            return kind, orjson.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream ended")


async def test_what_is_kept_is_bounded() -> None:
    async with world() as (consoles, console, session, _):
        for number in range(KEPT + 10):
            console.write(f"line {number}")
        console.write("x" * (2 * LONGEST))
        consoles.note("pump-1", "the board ended: no reason")
        lines = (await read(session))["lines"]
        assert len(lines) == KEPT
        assert lines[0]["line"] == "line 12"
        assert (len(lines[-2]["line"]), lines[-2]["line"][-1]) == (LONGEST, "…")
        assert (lines[-1]["source"], lines[-1]["line"]) == ("manager", "the board ended: no reason")


async def test_a_stream_begins_with_what_is_kept_and_goes_on_after_a_break() -> None:
    async with world() as (consoles, console, session, _):
        console.write("one")
        last = (await read(session))["lastEventId"]
        console.write("two")
        for given, expected in (({}, "one"), ({"Last-Event-ID": last}, "two")):
            async with session.get(f"{ONE}/events", headers=given) as answer:
                kind, line = await next_event(answer)
                assert (kind, line["line"]) == ("line", expected)
        async with session.get(f"{ONE}/events", headers={"Last-Event-ID": "of_another_run-1"}) as answer:
            assert (await next_event(answer))[0] == "reset"
            assert [(await next_event(answer))[1]["line"] for _ in range(2)] == ["one", "two"]
            console.write("three")
            assert (await next_event(answer))[1]["line"] == "three"
            consoles.forget("pump-1")
            with pytest.raises(AssertionError, match="the stream ended"):
                await next_event(answer)
        async with session.get(ONE) as answer:
            assert answer.status == 404


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Basic x", "Bearer é"])
async def test_nobody_reads_without_the_token(authorization: str) -> None:
    async with world() as (_, console, session, __):
        console.write("secret")
        for path in (ONE, f"{ONE}/events", "/api/v1/consoles/pump-2"):
            async with session.get(path, headers={"Authorization": authorization}) as answer:
                assert answer.status == 401
                assert "secret" not in await answer.text()


async def test_readers_are_bounded() -> None:
    async with world() as (_, console, session, __):
        console.write("one")
        answers = [await session.get(f"{ONE}/events") for _ in range(17)]
        assert [each.status for each in answers] == [200] * 16 + [503]
        for each in answers:
            each.close()


async def test_the_secret_is_there_for_as_long_as_the_api() -> None:
    async with world() as (consoles, _, __, api):
        await consoles.publish()
        first = await api.get(SECRET, emulators_api_secret("one"))
        again = Consoles(api, "one", SystemClock(), Randomness(3))
        again.served_at("http://127.0.0.1:1")
        await again.publish()
        second = await api.get(SECRET, emulators_api_secret("one"))
        assert first["data"].keys() == second["data"].keys() == {"token", "url"}
        assert first["data"] != second["data"]
        await again.withdraw()
        with pytest.raises(NotFound):
            await api.get(SECRET, emulators_api_secret("one"))
