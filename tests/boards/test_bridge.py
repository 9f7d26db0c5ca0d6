"""The bridge forwards bytes between board and gateway, and cuts the link on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.boards.bridge import Bridge, Line, LineMark
from harness.core.network import Endpoint, SystemNetwork

OPEN, CLOSE = LineMark.OPEN.wire(), LineMark.CLOSE.wire()
HUNG = 120
"""Seconds to wait at most, on a machine that may be busy."""
MUCH = 16 << 20
"""Bytes: more than the system holds for two sockets."""


class Peer(asyncio.Protocol):
    """An end that records the received bytes, so that a test can wait for them."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost = False
        self.transport: Any = None
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._changed.set()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(HUNG):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Scene:
    """A board's end of the serial line, a bridge, and a gateway that accepts connections."""

    def __init__(self, board: Peer, bridge: Bridge) -> None:
        self.board, self.bridge = board, bridge
        self.calls: list[Peer] = []
        self.other_calls: list[Peer] = []
        self.others: list[Endpoint] = []
        self.notes: list[str] = []
        self.called = asyncio.Event()

    async def call(self, count: int, *, other: bool = False) -> Peer:
        """The gateway's end of a connection, or that of the ``other`` gateway."""
        calls = self.other_calls if other else self.calls
        async with asyncio.timeout(HUNG):
            while len(calls) < count:
                self.called.clear()
                await self.called.wait()
        peer = calls[count - 1]
        await peer.until(lambda: peer.transport is not None)
        return peer


@pytest.fixture
async def stage(tmp_path: Path, settings: dict[str, bool]) -> AsyncIterator[Scene]:
    network, loop = SystemNetwork(), asyncio.get_running_loop()
    holder: list[Scene] = []

    def accept(calls: list[Peer]) -> Peer:
        peer = Peer()
        calls.append(peer)
        holder[0].called.set()
        return peer

    gateway = await network.listen(lambda: accept(holder[0].calls), ("127.0.0.1", 0))
    other = await network.listen(lambda: accept(holder[0].other_calls), ("127.0.0.1", 0))

    def note(source: str, target: str, name: str, data: Any, correlation: str) -> None:
        holder[0].notes.append(name)

    bridge = Bridge("board-1", gateway.endpoint, network, note, assignable=lambda: holder[0].others, **settings)
    path = str(tmp_path / "serial")
    server = await loop.create_unix_server(lambda: bridge, path)
    _, board = await loop.create_unix_connection(Peer, path)
    holder.append(Scene(board, bridge))
    holder[0].others.append(other.endpoint)
    try:
        yield holder[0]
    finally:
        await bridge.close()
        await gateway.close()
        await other.close()
        server.close()
        await board.until(lambda: board.lost)
        for peer in [*holder[0].calls, *holder[0].other_calls]:
            if not peer.lost:
                peer.transport.abort()
            await peer.until(lambda peer=peer: peer.lost)


async def test_bytes_go_both_ways_unchanged(stage: Scene) -> None:
    every_byte = bytes(range(256)) * 300
    board = stage.board
    board.transport.write(b"noise" + OPEN)
    await board.until(lambda: bytes(board.received) == OPEN)
    gateway = await stage.call(1)
    board.transport.write(Line.stuff(every_byte))
    await gateway.until(lambda: len(gateway.received) == len(every_byte))
    assert bytes(gateway.received) == every_byte
    gateway.transport.write(every_byte)
    await board.until(lambda: bytes(board.received) == OPEN + Line.stuff(every_byte))
    assert (stage.bridge.counters.up, stage.bridge.counters.down) == (len(every_byte), len(every_byte))
    assert stage.notes == ["LinkOpened"]


async def test_the_board_gets_a_close_mark_when_the_gateway_closes(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    gateway.transport.close()
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN + CLOSE)


async def test_a_board_that_connects_again_ends_its_old_connection(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    first = await stage.call(1)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN)
    stage.board.transport.write(OPEN)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN + OPEN)
    await first.until(lambda: first.lost)
    assert stage.bridge.counters.connections == 2


async def test_a_board_that_closes_ends_the_connection_in_order(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    stage.board.transport.write(b"bye" + CLOSE)
    await gateway.until(lambda: gateway.lost)
    assert bytes(gateway.received) == b"bye"


def asked(endpoint: Endpoint | str) -> bytes:
    """A board's request for a connection to that gateway."""
    address = endpoint if isinstance(endpoint, str) else "{}:{}".format(*endpoint)
    return LineMark.ADDRESS.wire() + Line.stuff(address.encode()) + OPEN


async def test_a_board_is_connected_to_the_gateway_that_it_asks_for_and_then_to_its_own_again(stage: Scene) -> None:
    request = asked(stage.others[0])
    stage.board.transport.write(request[:5])
    stage.board.transport.write(request[5:] + b"dropped")
    other = await stage.call(1, other=True)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN)
    stage.board.transport.write(b"hello" + CLOSE)
    await other.until(lambda: other.lost)
    assert bytes(other.received) == b"hello"
    stage.board.transport.write(OPEN)
    await stage.call(1)
    assert len(stage.other_calls) == 1


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "", "127.0.0.1", "localhost:port", "\x10:1", "\xff:1", "a" * (1 << 20) + ":1"], ids=repr
)
async def test_a_board_is_connected_nowhere_but_to_gateways(stage: Scene, address: str) -> None:
    """The address may be that of another program on this computer."""
    stage.board.transport.write(asked(address))
    await stage.board.until(lambda: bytes(stage.board.received) == CLOSE)
    assert stage.notes == ["LinkRefused"]
    stage.board.transport.write(OPEN)
    await stage.call(1)


async def test_a_board_that_is_reset_while_it_names_an_address_gets_its_own_gateway(stage: Scene) -> None:
    stage.board.transport.write(asked(stage.others[0])[:-2] + CLOSE + OPEN)
    await stage.call(1)
    assert stage.other_calls == []


async def test_a_cut_link_is_silent_until_it_is_restored(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN)
    stage.bridge.cut()
    await gateway.until(lambda: gateway.lost)
    stage.bridge.data_received(OPEN)
    stage.bridge.restore()
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN + CLOSE)
    stage.board.transport.write(OPEN)
    again = await stage.call(2)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN + CLOSE + OPEN)
    stage.bridge.restore()
    again.transport.write(b"still there")
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN + CLOSE + OPEN + b"still there")


async def test_the_board_gets_a_close_mark_without_a_gateway(tmp_path: Path) -> None:
    network = SystemNetwork()
    listener = await network.listen(Peer, ("127.0.0.1", 0))
    endpoint = listener.endpoint
    await listener.close()
    bridge = Bridge("board-1", endpoint, network)
    path = str(tmp_path / "serial")
    server = await asyncio.get_running_loop().create_unix_server(lambda: bridge, path)
    _, board = await asyncio.get_running_loop().create_unix_connection(Peer, path)
    board.transport.write(OPEN)
    await board.until(lambda: bytes(board.received) == CLOSE)
    await bridge.close()
    server.close()
    await board.until(lambda: board.lost)


async def test_a_gateway_that_does_not_read_stops_the_board(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    gateway.transport.pause_reading()
    stage.board.transport.write(b"x" * MUCH)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN)
    assert stage.board.transport.get_write_buffer_size() > 0
    gateway.transport.resume_reading()
    await gateway.until(lambda: len(gateway.received) == MUCH)


async def test_a_board_that_does_not_read_stops_the_gateway(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN)
    stage.board.transport.pause_reading()
    gateway.transport.write(b"x" * MUCH)
    stage.board.transport.write(b"heard")
    await gateway.until(lambda: bytes(gateway.received) == b"heard")
    assert gateway.transport.get_write_buffer_size() > 0
    stage.board.transport.resume_reading()
    await stage.board.until(lambda: len(stage.board.received) == len(OPEN) + MUCH)


async def _much_on_its_way(stage: Scene, much: bytes) -> Peer:
    """Make a gateway send many bytes to a board that does not read."""
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    await stage.board.until(lambda: bytes(stage.board.received) == OPEN)
    stage.board.transport.pause_reading()
    gateway.transport.write(much)
    stage.board.transport.write(b"heard")
    await gateway.until(lambda: bytes(gateway.received) == b"heard")
    return gateway


async def test_a_cut_link_drops_the_queued_bytes(stage: Scene) -> None:
    gateway = await _much_on_its_way(stage, b"x" * MUCH)
    stage.bridge.cut()
    await gateway.until(lambda: gateway.lost)
    stage.bridge.restore()
    stage.board.transport.resume_reading()
    await stage.board.until(lambda: stage.board.received.endswith(CLOSE))
    assert len(stage.board.received) < 1 << 20, "no more than what the system holds for a socket"


async def test_the_shutdown_mark_overtakes_queued_bytes(stage: Scene) -> None:
    much = b"\x10DD" * (1 << 20)
    gateway = await _much_on_its_way(stage, much)
    stage.bridge.shut_down()
    gateway.transport.close()
    stage.board.transport.resume_reading()
    await stage.board.until(lambda: stage.board.received.endswith(CLOSE))
    before, after = stage.board.received[len(OPEN) : -len(CLOSE)].split(LineMark.SHUTDOWN.wire())
    assert before + after == Line.stuff(much)
    assert len(before) < 1 << 20


@pytest.mark.settings(on_request=True)
async def test_a_board_that_requests_each_byte_gets_no_other(stage: Scene) -> None:
    ask = LineMark.ASK.wire()
    board = stage.board
    board.transport.write(OPEN + ask)
    await board.until(lambda: bytes(board.received) == OPEN[:1])
    gateway = await stage.call(1)
    board.transport.write(ask)
    await board.until(lambda: bytes(board.received) == OPEN)
    board.transport.write(ask + ask + b"twice")  # it was reset in between, and still wants one byte
    await gateway.until(lambda: bytes(gateway.received) == b"twice")
    gateway.transport.write(b"abcd")
    await board.until(lambda: bytes(board.received) == OPEN + b"a")
    board.transport.write(ask)
    await board.until(lambda: bytes(board.received) == OPEN + b"ab")
    board.transport.write(OPEN + ask)  # what was on its way is of no use any more
    await board.until(lambda: bytes(board.received) == OPEN + b"ab" + OPEN[:1])
    await stage.call(2)
    board.transport.write(ask)
    await board.until(lambda: bytes(board.received) == OPEN + b"ab" + OPEN)
    await stage.call(2)
    await stage.call(2)


@pytest.mark.settings(on_request=True)
async def test_a_board_that_requests_slowly_stops_the_gateway(stage: Scene) -> None:
    stage.board.transport.write(OPEN)
    gateway = await stage.call(1)
    gateway.transport.write(b"x" * (64 << 20))
    stage.board.transport.write(b"heard")
    await gateway.until(lambda: bytes(gateway.received) == b"heard")
    assert gateway.transport.get_write_buffer_size() > 0
    assert stage.bridge.counters.down < 8 << 20


@given(st.lists(st.one_of(st.binary(min_size=1), st.sampled_from(LineMark))), st.integers(1, 7))
def test_any_split_of_the_line_gives_the_same_parts(parts: list[bytes | LineMark], step: int) -> None:
    wire = b"".join(part.wire() if isinstance(part, LineMark) else Line.stuff(part) for part in parts)
    line, seen = Line(), b""
    for start in range(0, len(wire), step):
        for part in line.feed(wire[start : start + step]):
            seen += part.wire() if isinstance(part, LineMark) else Line.stuff(part)
    assert seen == wire


@pytest.mark.parametrize("noise", [b"\x10\x00", b"\x10\xff", b"\x10"])
def test_an_unknown_mark_is_noise(noise: bytes) -> None:
    assert list(Line().feed(b"a" + noise)) == [b"a"]


@given(st.lists(st.one_of(st.binary(min_size=1), st.sampled_from(LineMark))), st.data())
def test_an_end_that_begins_or_stops_anywhere_reads_no_false_mark(
    parts: list[bytes | LineMark], data: st.DataObject
) -> None:
    wire = b"".join(part.wire() if isinstance(part, LineMark) else Line.stuff(part) for part in parts)
    cut = data.draw(st.integers(0, len(wire)))
    marks = [part for part in parts if isinstance(part, LineMark)]
    late = [part for part in Line().feed(wire[cut:]) if isinstance(part, LineMark)]
    assert late == marks[len(marks) - len(late) :]
    early = [part for part in Line().feed(wire[:cut] + OPEN) if isinstance(part, LineMark)]
    assert early == [*marks[: len(early) - 1], LineMark.OPEN]
