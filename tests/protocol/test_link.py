"""Both ends of a link, over loopback, on both event loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.network import SystemNetwork
from harness.core.tls_server import TlsServer
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.tls import client_context, tls_server
from harness.wasmbed.protocol import codec
from harness.wasmbed.protocol import messages as m
from harness.wasmbed.protocol.dialects import u
from harness.wasmbed.protocol.dialects.messages import BareHeartbeat, BareHeartbeatAcknowledgment
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError, UnknownTag
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.link import Direction, Link, Side

Contexts = tuple[TlsServer, ssl.SSLContext] | None
STOP = m.Stop("greeter")
STOPPED = m.StopResult("greeter", True)


def chunk(index: int, size: int = 4096) -> m.ModuleChunk:
    return m.ModuleChunk("greeter", index, bytes(size))


@pytest.fixture(scope="module")
def identity() -> Identity:
    key = generate_key()
    return Identity(key, DEVICES.issue_device("board-1", key.public_key()))


CLOCK = SystemClock()
SERVERS, DEVICES = Authority.create("servers", CLOCK), Authority.create("devices", CLOCK)


@pytest.fixture(scope="module", params=["tcp", "tls"])
def contexts(request: pytest.FixtureRequest, identity: Identity) -> Contexts:
    """TLS settings of the server and the client, or None for a plain stream."""
    if request.param == "tcp":
        return None
    server = tls_server((SERVERS.issue_server("gateway-1"),), DEVICES.certificate)
    return server, client_context(SERVERS.certificate, identity, CLOCK)


def ignore(_: Link) -> None:
    """Ignore an opened link."""


@asynccontextmanager
async def linked(contexts: Contexts = None, **gateway_options: Any) -> AsyncIterator[tuple[Link, Link]]:
    """Yield the gateway's and the device's end of one connection."""
    opened: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
    server_tls, client_tls = contexts or (None, None)
    codec_options = {"codec": gateway_options["codec"]} if "codec" in gateway_options else {}
    network = SystemNetwork()
    listener = await network.listen(
        lambda: Link(Side.GATEWAY, opened=opened.set_result, **gateway_options), ("127.0.0.1", 0), tls=server_tls
    )
    device = await network.connect(
        lambda: Link(Side.DEVICE, opened=ignore, **codec_options), listener.endpoint, tls=client_tls
    )
    gateway = await opened
    try:
        yield gateway, device
    finally:
        await asyncio.gather(device.close(), gateway.close())
        await listener.close()


@asynccontextmanager
async def raw_peer(**options: Any) -> AsyncIterator[tuple[Link, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield the gateway's end, and a device that can write any bytes."""
    opened: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
    listener = await SystemNetwork().listen(
        lambda: Link(Side.GATEWAY, opened=opened.set_result, **options), ("127.0.0.1", 0)
    )
    reader, writer = await asyncio.open_connection(*listener.endpoint)
    gateway = await opened
    try:
        yield gateway, reader, writer
    finally:
        writer.close()
        await gateway.close()
        await listener.close()


async def test_a_reply_carries_its_requests_id(contexts: Contexts) -> None:
    async with linked(contexts) as (gateway, device):
        assert [gateway.send(STOP), gateway.send(m.DeviceInfoRequest())] == [1, 2]
        request = await device.receive()
        assert request == m.Envelope(1, STOP)
        assert device.send(STOPPED, request.message_id) == 1
        assert await gateway.receive() == m.Envelope(1, STOPPED)
        assert (await device.receive()).message_id == 2


async def test_fresh_ids_stay_within_32_bits() -> None:
    async with linked() as (gateway, device):
        gateway._next_id = 2**32 - 1
        assert [gateway.send(STOP), gateway.send(STOP)] == [2**32 - 1, 0]
        assert [(await device.receive()).message_id, (await device.receive()).message_id] == [2**32 - 1, 0]


async def test_the_peers_certificate_and_address_are_known(contexts: Contexts, identity: Identity) -> None:
    async with linked(contexts) as (gateway, device):
        assert gateway.peer_address is not None
        assert gateway.peer_address[0] == "127.0.0.1"
        assert gateway.peer_certificate == (identity.certificate if contexts else None)
        assert gateway.tls_version == ("TLSv1.3" if contexts else None)
        await asyncio.gather(device.close(), gateway.close())
        assert (gateway.peer_address, gateway.peer_certificate, gateway.tls_version) == (None, None, None)


async def test_a_tap_sees_both_directions() -> None:
    seen: list[tuple[Direction, m.Envelope]] = []
    async with linked(tap=lambda direction, envelope, _: seen.append((direction, envelope))) as (gateway, device):
        gateway.send(STOP)
        device.send(STOPPED, (await device.receive()).message_id)
        await gateway.receive()
    assert seen == [(Direction.SENT, m.Envelope(1, STOP)), (Direction.RECEIVED, m.Envelope(1, STOPPED))]


async def test_a_link_speaks_the_framed_dialect_of_the_original() -> None:
    async with linked(codec=u) as (gateway, device):
        device.send(BareHeartbeat())  # type: ignore[arg-type]
        heartbeat = await gateway.receive()
        assert heartbeat.message == BareHeartbeat()
        gateway.send(BareHeartbeatAcknowledgment(), heartbeat.message_id)  # type: ignore[arg-type]
        assert await device.receive() == m.Envelope(heartbeat.message_id, BareHeartbeatAcknowledgment())  # type: ignore[arg-type]


async def test_what_arrived_before_the_end_can_still_be_received(contexts: Contexts) -> None:
    async with linked(contexts) as (gateway, device):
        for index in range(3):
            gateway.send(chunk(index))
        await gateway.close("draining")
        assert [(await device.receive()).message for _ in range(3)] == [chunk(index) for index in range(3)]
        for _ in range(2):
            with pytest.raises(LinkClosed) as caught:
                await device.receive()
            assert (caught.value.reason, caught.value.by_peer) == ("closed by the peer", True)
        with pytest.raises(LinkClosed, match="closed by the peer"):
            device.send(STOPPED)
        with pytest.raises(LinkClosed) as ours:
            await gateway.receive()
        assert (ours.value.reason, ours.value.by_peer) == ("draining", False)


@pytest.mark.parametrize("sent", [b"\0\0", frame(codec.encode(m.Envelope(1, STOPPED)))[:-1]])
async def test_half_a_frame_at_the_end_is_named_in_the_reason(sent: bytes) -> None:
    async with raw_peer() as (gateway, _, writer):
        writer.write(frame(codec.encode(m.Envelope(1, STOPPED))) + sent)
        writer.close()
        assert (await gateway.receive()).message == STOPPED
        with pytest.raises(LinkClosed, match=f"in the middle of a frame, after {len(sent)} bytes") as caught:
            await gateway.receive()
        assert caught.value.by_peer


async def test_a_reset_is_named_in_the_reason() -> None:
    async with raw_peer() as (gateway, _, writer):
        # Without lingering, closing resets the connection (SO_LINGER, socket(7)).
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        with pytest.raises(LinkClosed, match="connection lost") as caught:
            await gateway.receive()
        assert caught.value.by_peer


async def test_nothing_is_received_after_an_invalid_length() -> None:
    async with raw_peer(limit=64) as (gateway, _, writer):
        writer.write(frame(codec.encode(m.Envelope(1, STOPPED))) + b"\x00\x00\x00\x41" + bytes(1000))
        assert (await gateway.receive()).message == STOPPED
        for _ in range(2):
            with pytest.raises(ProtocolError, match="a frame of 65 bytes is above the limit of 64"):
                await gateway.receive()
        writer.write(bytes(1000))
        await writer.drain()
        assert gateway.send(m.Error("PROTOCOL_ERROR", "no")) == 1


async def test_the_next_message_is_received_after_an_invalid_one() -> None:
    async with raw_peer() as (gateway, _, writer):
        good = frame(codec.encode(m.Envelope(3, STOPPED)))
        writer.write(frame(b"\xff") + frame(bytes.fromhex("830102821864a0")) + good)
        with pytest.raises(ProtocolError):
            await gateway.receive()
        with pytest.raises(UnknownTag) as caught:
            await gateway.receive()
        assert (caught.value.tag, caught.value.message_id) == (100, 2)
        assert await gateway.receive() == m.Envelope(3, STOPPED)


async def test_a_message_above_the_limit_is_not_sent() -> None:
    async with linked(limit=5000) as (gateway, device):
        with pytest.raises(ValueError, match="1 to 5000 bytes"):
            gateway.send(chunk(0, 6000))
        gateway.send(chunk(1))
        assert (await device.receive()).message == chunk(1)


async def test_a_flood_arrives_complete_and_in_order(contexts: Contexts) -> None:
    count = 300
    async with linked(contexts) as (gateway, device):

        async def flood() -> None:
            for index in range(count):
                gateway.send(chunk(index, 60_000))
                await gateway.drain()

        flooding = asyncio.create_task(flood())
        for index in range(count):
            assert (await device.receive()).message == chunk(index, 60_000)
        await flooding


class Pipe(asyncio.Transport):
    """A transport that only keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.written = bytearray()

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        pass


def piped(**options: Any) -> tuple[Link, Pipe]:
    link, pipe = Link(Side.GATEWAY, opened=ignore, **options), Pipe()
    link.connection_made(pipe)
    return link, pipe


async def test_reading_pauses_while_too_many_bytes_are_not_received() -> None:
    link, pipe = piped()
    message = frame(codec.encode(m.Envelope(1, m.Error("X", "x" * 10_000))))
    for _ in range(6):
        link.data_received(message)
        assert pipe.reading
    for _ in range(3):
        link.data_received(message)
        assert not pipe.reading
    for _ in range(6):
        await link.receive()
    assert pipe.reading
    for _ in range(3):
        await link.receive()


async def test_reading_continues_while_one_large_frame_arrives() -> None:
    link, pipe = piped()
    envelope = m.Envelope(1, m.Error("X", "x" * 1_000_000))
    message = frame(codec.encode(envelope))
    for start in range(0, len(message), 50_000):
        assert pipe.reading
        link.data_received(message[start : start + 50_000])
    assert not pipe.reading
    assert await link.receive() == envelope
    assert pipe.reading


async def test_drain_waits_while_the_transport_is_full() -> None:
    link, _ = piped()
    await link.drain()
    link.pause_writing()
    waiting = [asyncio.create_task(link.drain()) for _ in range(2)]
    assert not (await asyncio.wait(waiting, timeout=0))[0]
    link.resume_writing()
    await asyncio.gather(*waiting)
    link.pause_writing()
    lost = asyncio.create_task(link.drain())
    assert not (await asyncio.wait([lost], timeout=0))[0]
    link.connection_lost(OSError("no route to host"))
    with pytest.raises(LinkClosed, match=r"connection lost \(no route to host\)"):
        await lost


async def test_a_peer_that_never_reads_costs_a_bounded_number_of_bytes() -> None:
    link, pipe = piped()
    stalls: list[bool] = []
    link.stalled = stalls.append
    link.send(chunk(0))
    link.pause_writing()
    before = len(pipe.written)

    def flood() -> None:
        for index in range(1000):
            link.send(chunk(index))

    with pytest.raises(LinkClosed, match="the peer does not read"):
        flood()
    assert Link.MOST_UNSENT < len(pipe.written) - before < Link.MOST_UNSENT + 2 * 4096
    assert link.closed
    assert stalls == [True]


async def test_a_peer_that_reads_late_is_not_dropped() -> None:
    link, _ = piped()
    stalls: list[bool] = []
    link.stalled = stalls.append
    for _ in range(100):
        link.pause_writing()
        for index in range(4):
            link.send(chunk(index))
        link.resume_writing()
    assert not link.closed
    assert stalls == [True, False] * 100


async def test_a_peer_that_sends_without_pause_does_not_block_other_tasks() -> None:
    link, _ = piped()
    link.data_received(frame(codec.encode(m.Envelope(1, STOPPED))) * 1000)
    received, seen = 0, []

    async def look() -> None:
        seen.append(received)

    other = asyncio.create_task(look())
    for _ in range(1000):
        await link.receive()
        received += 1
    assert seen == [Link.TURN]
    await other


async def test_a_cancelled_close_of_an_ended_connection_ends() -> None:
    link, pipe = piped()
    pipe.close = lambda: None  # type: ignore[method-assign]
    closing = asyncio.create_task(link.close())
    assert not (await asyncio.wait([closing], timeout=0))[0]
    link.connection_lost(None)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await link.close()
    link.abort()


async def test_a_cancelled_receive_loses_nothing() -> None:
    link, _ = piped()
    waiting = asyncio.create_task(link.receive())
    assert not (await asyncio.wait([waiting], timeout=0))[0]
    with pytest.raises(RuntimeError, match="already receiving"):
        await link.receive()
    link.data_received(frame(codec.encode(m.Envelope(1, STOPPED))))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await link.receive()).message == STOPPED


async def test_a_message_may_arrive_in_pieces() -> None:
    link, _ = piped()
    waiting = asyncio.create_task(link.receive())
    for byte in frame(codec.encode(m.Envelope(1, STOPPED))):
        await asyncio.wait([waiting], timeout=0)
        link.data_received(bytes([byte]))
    assert (await waiting).message == STOPPED


async def test_sending_before_the_connection_is_refused() -> None:
    link = Link(Side.DEVICE, opened=ignore)
    with pytest.raises(LinkClosed, match="not connected yet"):
        link.send(STOPPED)
    assert (link.closed, link.peer_address) == (False, None)
    await link.close()
    link.abort()


async def test_nothing_can_be_sent_or_arrives_while_closing(contexts: Contexts) -> None:
    async with linked(contexts) as (gateway, device):
        closing = [asyncio.create_task(gateway.close("enough")) for _ in range(2)]
        await asyncio.wait(closing, timeout=0)
        assert gateway.closed
        with pytest.raises(LinkClosed, match="enough"):
            gateway.send(STOP)
        gateway.data_received(frame(codec.encode(m.Envelope(1, STOPPED))))
        await asyncio.gather(*closing, device.close())
        with pytest.raises(LinkClosed, match="enough"):
            await gateway.receive()
        await gateway.close("again")
        gateway.abort()


async def test_abort_does_not_wait_for_the_peer(contexts: Contexts) -> None:
    async with linked(contexts) as (gateway, device):
        gateway.abort("no answer")
        for end, by_peer in ((gateway, False), (device, True)):
            with pytest.raises(LinkClosed) as caught:
                await end.receive()
            assert caught.value.by_peer is by_peer
        with pytest.raises(LinkClosed, match="no answer"):
            await gateway.drain()


async def test_a_cancelled_close_aborts_the_connection() -> None:
    async with raw_peer() as (gateway, reader, _):
        reader.set_exception(RuntimeError("this peer reads nothing"))
        while gateway._writable:
            gateway.send(chunk(0, 1_000_000))
        closing = asyncio.create_task(gateway.close())
        assert not (await asyncio.wait([closing], timeout=0))[0]
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(LinkClosed):
            await gateway.receive()
