"""In-memory sockets behave as the operating system's do: each test runs on both."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.network import SystemNetwork
from harness.sim import Simulation
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, generate_key
from harness.wasmbed.pki.tls import client_context, tls_server

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["system", "simulated"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop over such sockets."""

    def on_loop(work: Coroutine[Any, Any, Any]) -> Any:
        with Simulation().new_runner() if request.param == "simulated" else asyncio.Runner() as runner:
            return runner.run(asyncio.wait_for(work, 60))

    return on_loop


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def pair(**options: Any) -> AsyncIterator[Pair]:
    """A client's and a server's end of one connection."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted.put((reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, **options)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    theirs = await accepted.get()
    try:
        yield reader, writer, *theirs
    finally:
        server.close()
        for each in (writer, theirs[1]):
            each.transport.abort()
        await asyncio.sleep(0)  # noqa: TID251


def test_bytes_arrive_in_order_both_ways(run: Run) -> None:
    async def body() -> None:
        async with pair() as (reader, writer, their_reader, their_writer):
            writer.writelines([b"one ", b"two "])
            writer.write(b"three")
            writer.write_eof()
            assert await their_reader.read() == b"one two three"
            their_writer.write(b"answer after the other end is closed")
            their_writer.close()
            assert await reader.read() == b"answer after the other end is closed"
            assert writer.get_extra_info("peername") == their_writer.get_extra_info("sockname")
            assert writer.get_extra_info("sockname") == their_writer.get_extra_info("peername")

    run(body())


def test_megabytes_pass_with_back_pressure(run: Run) -> None:
    """A writer waits for a reader that does not read, and nothing is lost when it does."""

    async def body() -> None:
        async with pair() as (_, writer, their_reader, _):
            writer.write(bytes(32 << 20))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), 0.2)
            read = 0
            while read < 32 << 20:
                read += len(await their_reader.read(1 << 20))
            await writer.drain()

    run(body())


def test_a_close_with_unread_data_resets_the_peer(run: Run) -> None:
    async def body() -> None:
        async with pair() as (reader, writer, _, their_writer):
            their_writer.transport.pause_reading()
            writer.write(b"never read")
            await asyncio.sleep(0.05)  # noqa: TID251
            their_writer.transport.abort()
            with pytest.raises(ConnectionResetError):
                await reader.read()

    run(body())


def test_what_is_sent_to_a_closed_end_is_lost(run: Run) -> None:
    """The first bytes go through, and the answer is a reset."""

    async def body() -> None:
        async with pair() as (reader, writer, _, their_writer):
            their_writer.close()
            assert await reader.read() == b""
            writer.write(b"x")
            await asyncio.sleep(0.05)  # noqa: TID251
            writer.write(b"y")
            with pytest.raises(ConnectionError):
                await writer.drain()

    run(body())


def test_a_port_is_one_listeners_until_it_closes(run: Run) -> None:
    async def body() -> None:
        def accept(*_: object) -> None:
            pass

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()[:2]
        with pytest.raises(OSError, match="already in use") as caught:
            await asyncio.start_server(accept, *address)
        assert caught.value.errno == errno.EADDRINUSE
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        (await asyncio.start_server(accept, *address)).close()

    run(body())


def test_unknown_hosts_are_not_there(run: Run) -> None:
    async def body() -> None:
        with pytest.raises(socket.gaierror):
            await asyncio.open_connection("no-such-host.invalid", 9)

    run(body())


@pytest.mark.parametrize("simulated", [False, True])
def test_tls_over_a_network(simulated: bool) -> None:
    """Mutual TLS 1.3, with the harness's listener: each end sees the other's certificate; a client that is not ready
    for TLS is rejected."""
    simulation = Simulation()
    network = simulation.network if simulated else SystemNetwork()
    clock = simulation.clock if simulated else SystemClock()
    authority = Authority.create("root", clock)
    server = authority.issue_server("127.0.0.1", ("127.0.0.1",), algorithm=Algorithm.P256)
    key = generate_key(Algorithm.ED25519)
    device = Identity(key, authority.issue_device("d", key.public_key()))

    class End(asyncio.Protocol):
        def __init__(self) -> None:
            self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.made.set_result(transport)

    def shown(transport: asyncio.Transport) -> bytes:
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        assert tls.version() == "TLSv1.3"
        found = tls.getpeercert(binary_form=True)
        assert found is not None
        return found

    async def body() -> None:
        accepted: asyncio.Queue[End] = asyncio.Queue()

        def accept() -> End:
            end = End()
            accepted.put_nowait(end)
            return end

        tls = tls_server((server,), authority.certificate)
        listener = await network.listen(accept, ("127.0.0.1", 0), tls=tls)
        context = client_context(authority.certificate, device, clock)
        here = await (await network.connect(End, listener.endpoint, tls=context, server_name="127.0.0.1")).made
        there = await (await accepted.get()).made
        assert shown(here) == server.certificate
        assert shown(there) == device.certificate
        for each in (here, there):
            each.abort()
        reader, writer = await asyncio.open_connection(*listener.endpoint)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read())[:1] in (b"\x15", b"")
        writer.close()
        await listener.close()

    with simulation.new_runner() if simulated else asyncio.Runner() as runner:
        runner.run(asyncio.wait_for(body(), 60))
    assert simulation.open_sockets == 0
