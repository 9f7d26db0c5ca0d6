"""Frames, ends and faults on an open link through the relay, and the history of them."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from harness.gateways.relay import LinkFault
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.tls import client_context, tls_server
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import Error
from tests.gateway.world import ScriptedDevice
from tests.gateways.relayed import RelayedWorld


async def test_the_relay_records_what_the_gateway_records(world: RelayedWorld) -> None:
    """From the handshake to the end, an enrollment and a deployment are the same events in both records."""
    device = await world.connected()
    await world.make_application()
    assert (await world.deploy())[0] == 202
    await device.accept_deployment()
    await world.state("deployed")
    await device.link.close()
    await world.until_relayed("ConnectionClosed")
    await world.until_recorded("ConnectionClosed")
    assert world.relayed == world.of_links()
    assert len(world.of_relay("ModuleChunk")) == 1


async def test_the_address_is_the_one_in_the_list_of_sessions(world: RelayedWorld) -> None:
    """A judge finds the link of each session that the gateway lists."""
    await world.connected()
    _, listed = await world.http("GET", "/api/v1/sessions")
    (connected,) = world.of_relay("TlsConnected")
    assert [session["address"] for session in listed["sessions"]] == [connected[3]["address"]]


async def test_a_board_pairs_through_the_relay(world: RelayedWorld) -> None:
    """A board without a certificate asks for one, and comes back with it: the key is the one that the harness made."""
    key, csr = world.signing_request("dev-1")
    stranger = await world.dial(None)
    await world.give_token("dev-1")
    identity = world.make_identity("dev-1")
    world.keys[Identity(key, identity.certificate).public_key_der] = key
    request = stranger.request(csr=csr, pairing_token="sesame", public_key=Identity(key, b"").public_key_der)
    message_id = stranger.link.send(request)
    response = (await stranger.receive()).message
    assert await stranger.closed() == "closed by the peer"
    paired = await world.dial(Identity(key, response.certificate))  # type: ignore[union-attr, arg-type]
    await paired.connect()
    await world.until_recorded("HeartbeatAcknowledgment")
    assert message_id
    assert [event[2] for event in world.relayed] == [event[2] for event in world.of_links()]
    assert [event[4] for event in world.of_relay("TlsConnected")] == ["dev-1", "dev-1"]


async def test_a_frame_that_is_not_a_message_reaches_the_gateway(world: RelayedWorld) -> None:
    """The gateway refuses it, and both records have it."""
    device = await world.device()
    device.link._transport.write(frame(b"\xff"))  # type: ignore[union-attr]
    assert isinstance((await device.receive()).message, Error)
    await device.closed()
    await world.until_recorded("ConnectionClosed")
    await world.until_relayed("ConnectionClosed")
    assert world.relayed == world.of_links()


@pytest.mark.settings(limit=64)
async def test_a_frame_above_the_limit_passes_and_is_told(world: RelayedWorld) -> None:
    """The relay does not hold back what it cannot decode: the enrollment succeeds, and the record has what was not
    read."""
    device = await world.device()
    await device.connect()
    unreadable = world.of_relay("UnreadableFrame")
    assert [event[:2] for event in unreadable] == [("Device", "Gateway"), ("Gateway", "Device")]
    assert all("above the limit of 64" in event[3]["reason"] for event in unreadable)
    assert "frame" not in unreadable[0][3]


async def test_the_end_of_the_stream_in_the_middle_of_a_frame(world: RelayedWorld) -> None:
    """The gateway learns how many bytes of it have arrived."""
    device = await world.connected()
    device.link._transport.write(frame(bytes(100))[:50])  # type: ignore[union-attr]
    await device.link.close()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[3]["reason"] == "closed by the peer in the middle of a frame, after 50 bytes of it"


async def test_a_reset_of_the_board_reaches_the_gateway(world: RelayedWorld) -> None:
    device = await world.connected()
    transport = device.link._transport
    assert transport is not None
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    device.link.abort()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert "reset" in closed[3]["reason"].lower()
    (relayed,) = await world.until_relayed("ConnectionClosed")
    assert relayed[:2] == ("Device", "Gateway")


async def test_the_end_of_the_gateway_reaches_the_board(world: RelayedWorld) -> None:
    """A killed gateway sends nothing: the board sees the end of the connection."""
    device = await world.connected()
    await world.gateway.kill()
    assert await device.closed()
    (relayed,) = await world.until_relayed("ConnectionClosed")
    assert relayed[:2] == ("Gateway", "Device")


async def test_a_board_that_does_not_read_is_felt_by_the_gateway(world: RelayedWorld) -> None:
    """The relay's buffers are bounded: a gateway that sends much cannot go on until the board reads, and then all of it
    arrives."""
    size, piece, stalled, sent = 16 << 20, bytes(1 << 15), asyncio.Event(), []

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(size // len(piece)):
            writer.write(piece)
            sent.append(len(piece))
            if writer.transport.get_write_buffer_size() > 1 << 16:
                stalled.set()
            await writer.drain()
        writer.close()

    tls = tls_server(world.identities, world.devices.certificate).contexts[0]
    server = await asyncio.start_server(pour, "127.0.0.1", 0, ssl=tls)
    world.relay.target = server.sockets[0].getsockname()
    context = client_context(world.servers.certificates, world.make_identity("dev-1"), world.clock)
    reader, writer = await asyncio.open_connection(*world.relay.endpoint, ssl=context, server_hostname="localhost")
    await stalled.wait()
    assert sum(sent) < size
    (unread, *_) = await world.until_relayed("Unread")
    assert unread == ("Device", "Gateway", "Unread", {"device": "dev-1", "link": "gateway-1/1"}, "dev-1")
    received = 0
    while data := await reader.read(1 << 20):
        received += len(data)
    assert received == size
    writer.close()
    server.close()


async def test_silence_holds_frames_back_and_loses_none(world: RelayedWorld) -> None:
    device = await world.connected()
    before = len(world.named("Heartbeat"))
    world.relay.disturb(LinkFault(silent=True), "dev-1")
    sent = [device.link.send(device.heartbeat()) for _ in range(3)]
    other = await world.connected("dev-2")
    await other.beat()
    assert [event[4] for event in world.named("Heartbeat")[before:]] == ["dev-2", "dev-2"]
    world.relay.disturb(LinkFault(), "dev-1")
    assert [(await device.receive()).message_id for _ in sent] == sent


async def test_a_delay_is_for_both_directions(world: RelayedWorld) -> None:
    device = await world.connected()
    world.relay.disturb(LinkFault(delay=0.1))
    begin = world.clock.now()
    await device.beat()
    assert world.clock.now() - begin >= 0.2
    assert (await _beats(device, 3)) == 3


async def _beats(device: ScriptedDevice, count: int) -> int:
    """Send heartbeats without waiting; returns how many answers came in order."""
    sent = [device.link.send(device.heartbeat()) for _ in range(count)]
    return sum([(await device.receive()).message_id == each for each in sent])


async def test_a_cut_link(world: RelayedWorld) -> None:
    """The gateway sees a reset, the board nothing; afterwards the board's connection ends, and it comes back."""
    identity = world.make_identity("dev-1")
    device = await world.device(identity=identity)
    await device.connect()
    world.relay.disturb(LinkFault(cut=True), "dev-1")
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert "reset" in closed[3]["reason"].lower()
    (relayed,) = world.of_relay("ConnectionClosed")
    assert relayed[3]["reason"] == "connection lost (the link was cut)"
    assert not device.link.closed
    world.relay.disturb(LinkFault(), "dev-1")
    assert await device.closed()
    again = await world.device(identity=identity)
    again.id = device.id
    await again.beat()


@pytest.mark.settings(tunnel=True)
async def test_a_tunnel_reports_ciphertext_and_says_so(world: RelayedWorld) -> None:
    """Without identities the relay passes the handshake on: the board sees the gateway's own certificate."""
    device = await world.connected()
    await device.link.close()
    await world.until_relayed("ConnectionClosed")
    (opened,) = world.of_relay("CiphertextOnly")
    assert opened[3]["reason"] == "the relay is a tunnel"
    assert {event[2] for event in world.relayed} == {"CiphertextOnly", "Ciphertext", "ConnectionClosed"}
    assert {event[:2] for event in world.of_relay("Ciphertext")} == {("Device", "Gateway"), ("Gateway", "Device")}


async def test_nothing_is_left_of_a_link(world: RelayedWorld) -> None:
    for number in range(5):
        device = await world.connected(f"dev-{number}")
        await device.link.close()
    await world.until_relayed("ConnectionClosed", 5)
    async with asyncio.timeout(60):
        while world.relay._links:
            await world.clock.sleep(0.01)
