"""The bridge of a board that connects by TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.boards.bridge import LineMark, TcpBridge
from harness.core.loop import give_way
from harness.core.network import Network, SystemNetwork
from tests.loops import harness_loop

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HUNG = 120.0


class SerialLine(asyncio.Transport):
    """Records the bytes that the bridge writes to the board's UART."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def close(self) -> None: ...


@dataclass
class Scene:
    bridge: TcpBridge
    line: SerialLine
    port: int
    calls: asyncio.Queue[Streams] = field(default_factory=asyncio.Queue)
    notes: list[str] = field(default_factory=list)
    open: list[asyncio.StreamWriter] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, *event: Any) -> None:
        self.notes.append(event[2])
        if event[2] == "LinkOpened":
            self.opened.set()

    async def connect(self) -> Streams:
        streams = await asyncio.open_connection("127.0.0.1", self.port)
        self.open.append(streams[1])
        return streams

    async def through(self) -> tuple[Streams, Streams]:
        """Open a connection of the board; returns its two ends, at the board and at the gateway."""
        self.opened.clear()
        near = await self.connect()
        far = await self.calls.get()
        await self.opened.wait()
        return near, far


@asynccontextmanager
async def scene(*, gateway_listens: bool = True, network: Network | None = None) -> AsyncIterator[Scene]:
    calls: asyncio.Queue[Streams] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait((reader, writer))
        made.open.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    endpoint = server.sockets[0].getsockname()[:2]
    if not gateway_listens:
        server.close()
    bridge = TcpBridge("pump-1", endpoint, network or SystemNetwork(), lambda *event: made.note(*event))
    line = SerialLine()
    bridge.connection_made(line)
    _, port = await bridge.listen()
    made = Scene(bridge, line, port, calls)
    try:
        async with asyncio.timeout(HUNG):
            yield made
    finally:
        await bridge.close()
        server.close()
        for writer in made.open:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in made.open), return_exceptions=True)


new_loop = pytest.fixture(harness_loop, name="new_loop")


async def is_over(reader: asyncio.StreamReader) -> bool:
    """Whether a connection ends, in order or not, before another byte arrives."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def test_bytes_go_both_ways_unchanged_and_counted() -> None:
    async with scene() as here:
        (reader, writer), (from_board, to_board) = await here.through()
        writer.write(b"up\x10")
        assert await from_board.readexactly(3) == b"up\x10"
        to_board.write(b"down\x10")
        assert await reader.readexactly(5) == b"down\x10"
        assert (here.bridge.counters.up, here.bridge.counters.down, here.bridge.counters.connections) == (3, 5, 1)
        writer.close()
        assert await from_board.read() == b""
        assert here.notes == ["LinkOpened", "LinkClosed"]
        assert here.line.written == b""


class FarAway(SystemNetwork):
    """Connections take until ``arrived`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        await self.arrived.wait()
        return await super().connect(*arguments, **options)


async def test_what_a_board_says_before_the_gateway_answers_is_kept() -> None:
    """A TLS client speaks first, and uvloop reads once although reading was paused in connection_made."""
    network = FarAway()
    async with scene(network=network) as here:
        _, writer = await here.connect()
        writer.write(b"hello")
        for _ in range(20):  # turns of the event loop, in which it reads
            await give_way()
        network.arrived.set()
        from_board, _ = await here.calls.get()
        writer.write(b", gateway")
        assert await from_board.readexactly(14) == b"hello, gateway"


async def test_a_new_connection_ends_the_one_before() -> None:
    async with scene() as here:
        (reader, _), (first, _) = await here.through()
        await here.through()
        assert await is_over(reader)
        assert await is_over(first)


async def test_a_restarted_board_ends_its_connection_over_the_serial_line() -> None:
    async with scene() as here:
        _, (from_board, _) = await here.through()
        here.bridge.data_received(b"\0" + LineMark.CLOSE.wire())
        assert await from_board.read() == b""


async def test_a_connection_is_not_forwarded_while_the_link_is_cut() -> None:
    async with scene() as here:
        _, (from_board, _) = await here.through()
        here.bridge.cut()
        assert await is_over(from_board)
        again, writer = await here.connect()
        writer.write(b"is anybody there")
        await writer.drain()
        assert here.calls.empty()
        here.bridge.restore()
        assert here.line.written == LineMark.CLOSE.wire()
        assert await is_over(again)
        await here.through()


async def test_the_board_sees_a_gateway_that_closes_or_is_absent() -> None:
    async with scene() as here:
        (reader, _), (_, to_board) = await here.through()
        to_board.write(b"last words")
        to_board.close()
        assert await reader.read() == b"last words"
    async with scene(gateway_listens=False) as here:
        reader, _ = await here.connect()
        assert await reader.read() == b""
        assert here.notes == ["LinkRefused"]


async def test_the_shutdown_mark_goes_over_the_serial_line() -> None:
    async with scene() as here:
        here.bridge.shut_down()
        assert here.line.written == LineMark.SHUTDOWN.wire()


async def test_a_side_that_does_not_read_makes_the_other_wait() -> None:
    async with scene() as here:
        (_, writer), (from_board, _) = await here.through()
        sent = 0
        try:
            async with asyncio.timeout(0.5):
                while True:
                    writer.write(bytes(1 << 20))
                    await writer.drain()
                    sent += 1 << 20
        except TimeoutError:
            pass
        assert here.bridge.counters.up < sent + (2 << 20)
        assert len(await from_board.readexactly(sent)) == sent
