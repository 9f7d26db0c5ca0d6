"""Malicious and broken peers: none stops the gateway or keeps others out."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.wasmbed.gateway import GatewaySettings
from harness.wasmbed.gateway.nonces import NonceMemory
from harness.wasmbed.pki.keys import public_key_der
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import EnrollmentResponse, Error
from harness.wasmbed.resources.kinds import SECRET
from tests.gateway.world import World, running_world


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def raw(device: Any, data: bytes) -> None:
    """Write bytes that a link would never send."""
    device.link._transport.write(data)


@pytest.mark.parametrize(
    ("data", "expected_text"),
    [
        (b"\xff\xff\xff\xff", "above the limit of 1048576"),
        (b"\0\0\0\0", "length zero"),
        (frame(b"\xff\xff"), ""),
        (frame(cbor2.dumps([9, 1, [0, {}]])), "protocol version 9"),
        (frame(cbor2.dumps([1, 1, [0, {}]])), "Heartbeat"),
        (frame(cbor2.dumps([1, 1, [0, {}]]) + b"\0"), ""),
    ],
    ids=["length", "zero", "garbage", "version", "fields", "trailing"],
)
async def test_what_breaks_the_contract_ends_the_session_and_changes_nothing(
    world: World, data: bytes, expected_text: str
) -> None:
    device = await world.connected("dev-1")
    other = await world.connected("dev-2")
    raw(device, data)
    error = await device.expect(Error)
    assert error.code == "PROTOCOL_ERROR"
    assert expected_text in error.message
    await device.closed()
    await world.phase("dev-1", "Disconnected")
    await other.beat()
    first = await world.device("dev-3")
    raw(first, data)
    assert (await first.expect(Error)).code == "PROTOCOL_ERROR"
    await first.closed()
    assert world.find_device("dev-3") is None


async def test_an_unknown_tag_is_answered_and_the_session_goes_on(world: World) -> None:
    device = await world.connected("dev-1")
    raw(device, frame(cbor2.dumps([1, 77, [99, {}]])))
    envelope = await device.receive()
    assert isinstance(envelope.message, Error)
    assert (envelope.message.code, envelope.message_id) == ("PROTOCOL_ERROR", 77)
    await device.beat()


@pytest.mark.settings(heartbeat_interval=0.05)
async def test_half_a_frame_is_awaited_for_a_bounded_time(world: World) -> None:
    device = await world.connected("dev-1")
    raw(device, b"\0\0\1\0half")
    await device.closed()
    await world.phase("dev-1", "Disconnected")
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[3]["reason"] == "3 heartbeats missed"


async def test_a_link_cut_in_the_middle_of_a_frame_is_recorded_as_such(world: World) -> None:
    device = await world.connected("dev-1")
    raw(device, b"\0\0\1\0half")
    await device.link.close()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert "in the middle of a frame" in closed[3]["reason"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.binary(min_size=1, max_size=60).map(frame) | st.binary(min_size=1, max_size=40), max_size=5))
def test_no_bytes_take_the_gateway_down(runner: asyncio.Runner, noise: list[bytes]) -> None:
    async def scene() -> None:
        async with running_world() as world:
            device = await world.device("dev-1")
            for data in noise:
                raw(device, data)
            await device.link.close()
            await world.until_recorded("ConnectionClosed")
            assert world.find_device() is None
            honest = await world.device("dev-2")
            await honest.connect()

    runner.run(scene())


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Raise the process's limit of file descriptors to 12,000, or skip the test where that is not allowed."""
    needed = 12_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} file descriptors, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed) if soft != resource.RLIM_INFINITY else soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.settings(waiting=1024)
async def test_ten_thousand_connections_without_a_handshake_keep_no_device_out(world: World) -> None:
    """The first device keeps its session, a second one enrolls, and no more connections wait than the settings say."""
    first = await world.connected("dev-1")
    crowd: list[socket.socket] = []
    try:
        while len(crowd) < 10_000:
            batch = [socket.socket() for _ in range(250)]
            crowd += batch
            for stranger in batch:
                stranger.setblocking(False)
            connect = asyncio.get_running_loop().sock_connect
            await asyncio.gather(*(connect(stranger, world.gateway.endpoint) for stranger in batch))
            await first.beat()
        second = await world.connected("dev-2")
        await second.beat()
        assert len(await world.until_recorded("TlsRejected", 10_000 - 1024)) <= 10_000
    finally:
        for stranger in crowd:
            stranger.close()


@pytest.mark.parametrize("start", ["16", "160301000101160301000200"])
@pytest.mark.settings(handshakes=4, handshake_timeout_under_load=0.02)
async def test_a_slow_loris_in_the_handshake_keeps_no_device_out(world: World, start: str) -> None:
    async def scene(world: World) -> None:
        crowd = [socket.create_connection(world.gateway.endpoint) for _ in range(20)]
        for stranger in crowd:
            stranger.sendall(bytes.fromhex(start))
        device = None
        while device is None:
            # On a busy machine 20 ms are too short for this end too: the device retries, as boards do.
            with suppress(OSError, LinkClosed):
                device = await world.connected("dev-1")
        await device.beat()
        for stranger in crowd:
            stranger.close()

    async with asyncio.timeout(60):
        await scene(world)


@pytest.mark.settings(unclaimed=4)
async def test_secured_connections_without_a_message_are_dropped_for_newer_ones(world: World) -> None:
    silent = await world.device("silent")
    crowd = [await world.dial(None) for _ in range(10)]
    assert len(world.gateway.sessions) == 4
    device = await world.connected("dev-1")
    await device.beat()
    await asyncio.gather(*(stranger.closed() for stranger in crowd[:6]))
    await silent.connect()
    assert len(await world.until_recorded("ConnectionClosed", 8)) == 8
    assert {event[3]["reason"] for event in world.named("ConnectionClosed")} == {
        "dropped for a newer connection before it sent a message"
    }


@pytest.mark.settings(unclaimed=1)
async def test_the_newest_connection_is_dropped_when_all_others_are_active(world: World) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def take_time() -> None:
        asked.set()
        await answer.wait()

    await world.give_token("dev-1")
    world.api.fail = lambda verb, resource, name: take_time() if resource == SECRET else None
    key, csr = world.signing_request("dev-1")
    busy = await world.dial(None)
    request = busy.request(public_key=public_key_der(key.public_key()), csr=csr, pairing_token="sesame")
    busy.link.send(request)
    await asked.wait()
    claims = [await world.dial(None) for _ in range(2)]
    await claims[0].closed()
    answer.set()
    assert (await busy.expect(EnrollmentResponse)).certificate


@pytest.mark.settings(sessions=1)
async def test_a_full_gateway_refuses_with_its_own_code(world: World) -> None:
    first = await world.connected("dev-1")
    second = await world.device("dev-2")
    error = await second.refused(second.request())
    assert error.code == "GATEWAY_FULL"
    assert error.retry_after is not None
    assert 1500 <= error.retry_after <= 1510
    await second.closed()
    assert world.find_device("dev-2") is None
    await first.link.close()
    await world.phase("dev-1", "Disconnected")
    third = await world.dial(second.identity)
    await third.connect()


async def test_a_device_that_does_not_read_delays_only_itself(world: World) -> None:
    deaf, other = await world.connected("deaf"), await world.connected("dev-2")
    deaf.link._transport.pause_reading()
    beat = deaf.heartbeat()
    for _ in range(20_000):
        deaf.link.send(beat)
        if not deaf.link._writable:
            break
    await other.beat()
    deaf.link.abort()
    await world.phase("deaf", "Disconnected")
    await other.beat()


async def test_older_tls_versions_are_refused_with_a_reason(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    reason = "the client does not offer TLS 1.3, the only version supported"
    old = client_context(world.servers.certificates, world.make_identity("dev-1"), world.clock)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    host, port = world.gateway.endpoint
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        await asyncio.open_connection(host, port, ssl=old, server_hostname="localhost")
    (rejected,) = await world.until_recorded("TlsRejected")
    assert rejected[3]["reason"] == reason
    await world.gateway.kill()
    (line,) = caplog.messages
    assert line.endswith(f" did not get through the handshake: {reason}")


async def test_a_fault_of_the_gateway_ends_one_session_only(world: World) -> None:
    device, other = await world.connected("dev-1"), await world.connected("dev-2")
    world.poison = "dev-1"
    device.link.send(device.heartbeat())
    await device.closed()
    await world.phase("dev-1", "Disconnected")
    await other.beat()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert "the gateway failed" in closed[3]["reason"]


def test_a_bounded_number_of_nonces_is_remembered() -> None:
    memory = NonceMemory(2)
    assert memory.is_fresh("dev-1", b"1")
    assert not memory.is_fresh("dev-1", b"1")
    assert memory.is_fresh("dev-2", b"1")
    assert memory.is_fresh("dev-1", b"2")
    assert len(memory) == 2
    assert memory.is_fresh("dev-1", b"1")


@pytest.mark.parametrize(
    ("wrong", "expected_text"),
    [
        ({"heartbeat_interval": 0}, "heartbeat_interval is 0"),
        ({"sessions": -1}, "sessions is -1"),
        ({"frame_limit": 32 << 20}, "keep frame_limit at most"),
        ({"chunk_size": 1 << 20}, "chunks of 1048576 bytes do not fit"),
    ],
)
def test_invalid_settings_are_refused(wrong: dict[str, Any], expected_text: str) -> None:
    with pytest.raises(UsageError, match=expected_text):
        GatewaySettings(**wrong)
