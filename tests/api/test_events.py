"""Changes as they happen."""

import base64
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest

from harness.wasmbed.resources.kinds import DEVICE
from tests.api.world import World


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str, dict[str, object]]]:
    """The id, name and data of each event of a stream."""
    found: dict[str, str] = {}
    async for line in answer.content:
        text = line.decode().rstrip("\n")
        if text.startswith(":"):
            continue
        if not text:
            if found:
                yield found["id"], found["event"], orjson.loads(found["data"])
            found = {}
            continue
        name, _, value = text.partition(": ")
        found[name] = value


def headers(world: World, last: str = "") -> dict[str, str]:
    return {"Authorization": f"Bearer {world.tokens['viewer']}"} | ({"Last-Event-ID": last} if last else {})


async def test_a_change_reaches_a_subscriber(world: World) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        assert answer.content_type == "text/event-stream"
        stream = events(answer)
        await world.register("pump-1", phase="Connected")
        _, name, data = await anext(stream)
        assert (name, data["change"], data["object"]["id"]) == ("device", "added", "pump-1")  # type: ignore[index]
        _, _, data = await anext(stream)
        assert (data["change"], data["object"]["status"]) == ("modified", "Connected")  # type: ignore[index]
        await world.api.delete(DEVICE, "pump-1")
        assert (await anext(stream))[2]["change"] == "deleted"


async def test_a_subscriber_that_comes_back_gets_what_it_missed(world: World) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        await world.register("pump-1")
        last, _, _ = await anext(events(answer))
    await world.register("pump-2")
    async with world.session.get("/api/v1/events", headers=headers(world, last)) as answer:
        assert (await anext(events(answer)))[2]["object"]["id"] == "pump-2"  # type: ignore[index]


async def test_a_subscriber_that_missed_more_than_waits_for_one_gets_all_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        await world.register("pump-0")
        last, _, _ = await anext(events(answer))
    monkeypatch.setattr("harness.core.event_stream._WAITING", 2)
    for number in range(1, 6):
        await world.register(f"pump-{number}")
    async with world.session.get("/api/v1/events", headers=headers(world, last)) as answer:
        stream = events(answer)
        missed = [(await anext(stream))[2]["object"]["id"] for _ in range(5)]  # type: ignore[index]
        assert missed == [f"pump-{number}" for number in range(1, 6)]
        await world.register("pump-6")
        assert (await anext(stream))[2]["object"]["id"] == "pump-6"  # type: ignore[index]


async def test_a_number_that_this_run_has_not_reached_is_of_another_run(world: World) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        await world.register("pump-1")
        last, _, _ = await anext(events(answer))
    epoch, _, number = last.partition("-")
    async with world.session.get("/api/v1/events", headers=headers(world, f"{epoch}-{int(number) + 1}")) as answer:
        assert (await anext(events(answer)))[1] == "reset"


@pytest.mark.settings(kept_events=2)
async def test_a_subscriber_that_missed_too_much_is_told_to_read_anew(world: World) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        await world.register("pump-1")
        last, _, _ = await anext(events(answer))
    for number in range(2, 6):
        await world.register(f"pump-{number}")
    for known in (last, "another-run-7", "x", "0-99999999999999999999999999"):
        async with world.session.get("/api/v1/events", headers=headers(world, known)) as answer:
            _, name, _ = await anext(events(answer))
            assert name == "reset"


async def test_only_the_wanted_kinds_come(world: World) -> None:
    async with world.session.get("/api/v1/events?kinds=gateway", headers=headers(world)) as answer:
        await world.register("pump-1")
        await world.add_gateway("gateway-1")
        assert (await anext(events(answer)))[1] == "gateway"
    await world.ask("GET", "/api/v1/events?kinds=device,pods", status=422)


@pytest.mark.settings(subscribers=1)
async def test_subscribers_are_bounded(world: World) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        await answer.content.readline()
        await world.ask("GET", "/api/v1/events", status=503)


async def test_a_web_socket_has_the_same(world: World) -> None:
    token = base64.urlsafe_b64encode(world.tokens["viewer"].encode()).decode().rstrip("=")
    protocols = ("wasmbed.io", f"base64url.bearer.authorization.k8s.io.{token}")
    async with world.session.ws_connect("/ws", protocols=protocols) as socket:
        assert socket.protocol == "wasmbed.io"
        await world.register("pump-1")
        assert (await socket.receive_json())["object"]["id"] == "pump-1"
    with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
        await world.session.ws_connect("/ws")


async def test_a_stream_ends_when_its_caller_has_lost_the_right(world: World) -> None:
    token = base64.urlsafe_b64encode(world.tokens["viewer"].encode()).decode().rstrip("=")
    protocols = ("wasmbed.io", f"base64url.bearer.authorization.k8s.io.{token}")
    async with (
        world.session.get("/api/v1/events", headers=headers(world)) as answer,
        world.session.ws_connect("/ws", protocols=protocols) as socket,
    ):
        await answer.content.readline()
        await world.clock.advance(61)
        await world.register("pump-1")
        assert (await anext(events(answer)))[2]["object"]["id"] == "pump-1"  # type: ignore[index]
        assert (await socket.receive_json())["object"]["id"] == "pump-1"
        await world.take_away("viewer")
        await world.clock.advance(61)
        assert b"id:" not in await answer.content.read()
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_stream_goes_on_while_nobody_can_tell_whose_the_token_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.session.get("/api/v1/events", headers=headers(world)) as answer:
        await answer.content.readline()
        monkeypatch.setattr(world.own, "create", _away)
        await world.clock.advance(61)
        await world.register("pump-1")
        assert (await anext(events(answer)))[2]["object"]["id"] == "pump-1"  # type: ignore[index]


async def _away(*_: object) -> None:
    raise ConnectionRefusedError("the cluster is away")


async def test_a_change_for_two_subscribers_is_recorded_once(world: World) -> None:
    await world.register("pump-1")  # without a subscriber
    async with (
        world.session.get("/api/v1/events", headers=headers(world)) as one,
        world.session.get("/api/v1/events", headers=headers(world)) as other,
    ):
        await world.register("pump-2")
        await anext(events(one))
        await anext(events(other))
    told = [(name, data["name"], data["subscribers"]) for name, data in world.told]
    assert told == [("ADDED Device", "pump-2", 2)]
