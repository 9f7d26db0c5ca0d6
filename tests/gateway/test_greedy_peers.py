"""Peers that send without end, or never read: each costs a bounded number of bytes and is closed."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from harness.core.loop import give_way
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import Error
from tests.gateway.world import ScriptedDevice, World

HIGH_WATER = 8 << 10
"""A link's high-water mark, instead of 64 KiB, so that it is reached sooner."""
MOST_BUFFERED = HIGH_WATER + (64 << 10)
"""The most bytes that wait for one peer in the process: the link's, and those in TLS and TCP."""


def unknown(number: int) -> bytes:
    payload = cbor2.dumps([1, number, [99, {}]])
    return struct.pack(">I", len(payload)) + payload


async def deaf_device(world: World, name: str) -> Any:
    """Return a device with a small socket buffer, so that unread bytes wait at the gateway."""
    device = await world.device(name)
    await device.link.close()
    await world.until_recorded("ConnectionClosed")
    world.events.clear()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, world.gateway.endpoint)
    tls = client_context(world.servers.certificates, device.identity, world.clock)
    _, device.link = await loop.create_connection(
        lambda: Link(Side.DEVICE, opened=lambda link: None), sock=raw, ssl=tls, server_hostname="localhost"
    )
    world.stack.callback(device.link.abort)
    return device


@pytest.mark.parametrize("enrolled", [False, True], ids=["anonymous", "enrolled"])
async def test_endless_unknown_tags_get_a_bounded_number_of_answers(
    world: World, enrolled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    other = await world.connected("other")
    peer = await world.connected("greedy") if enrolled else await world.dial(None)
    peer.link._transport.write(b"".join(map(unknown, range(5000))))
    errors = [await peer.expect(Error) for _ in range(33)]
    assert [error.message for error in errors] == [
        *["unknown message tag 99"] * 32,
        "more than 32 errors without a heartbeat, the last: unknown message tag 99",
    ]
    await peer.closed()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert "more than 32 errors without a heartbeat" in closed[3]["reason"]
    await other.beat()
    await world.gateway.kill()
    lines = [line for line in caplog.messages if "unknown message tag" in line]
    assert len(lines) == 11
    assert "the last of 23 more such lines" in lines[-1]


async def test_a_heartbeat_resets_the_number_of_errors(world: World) -> None:
    device = await world.connected("newer-firmware")
    for round_ in range(4):
        for number in range(20):
            device.link._transport.write(unknown(number))
            assert (await device.expect(Error)).message == "unknown message tag 99"
        await device.beat(device_time=round_)


@pytest.mark.settings(write_timeout=0.3)
async def test_a_device_that_never_reads_is_closed(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(Link, "HIGH_WATER", HIGH_WATER)

    async def beats(deaf: ScriptedDevice, look: Callable[[], None]) -> None:
        try:
            while True:
                for _ in range(20):
                    deaf.link.send(deaf.heartbeat())
                look()
                await give_way()
                await deaf.link.drain()
        except LinkClosed:
            return

    other = await world.connected("other")
    deaf = await deaf_device(world, "deaf")
    await deaf.connect()
    await world.phase("deaf", "Connected")
    transport = world.gateway.sessions.get("deaf").link._transport
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as near:
        assert near.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * (64 << 10), "Linux would take megabytes"
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # full sooner
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, transport.get_write_buffer_size())

    deaf.link._transport.pause_reading()
    flooding = asyncio.create_task(beats(deaf, look))
    await asyncio.wait_for(flooding, 120)
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[:2] == ("Gateway", "Device")
    assert closed[3]["reason"] == "the peer did not read for 0.3 s"
    assert 0 < most < MOST_BUFFERED
    await world.phase("deaf", "Disconnected")
    await other.beat()
    await world.gateway.kill()
    assert "device deaf: the peer did not read for 0.3 s" in caplog.messages


async def test_a_flood_does_not_keep_others_waiting(world: World) -> None:
    """While one device sends as fast as it can, another one is answered."""

    async def read(link: Link) -> None:
        while True:
            await link.receive()

    async def beat_on(device: ScriptedDevice) -> None:
        while True:
            for _ in range(500):
                device.link.send(device.heartbeat())
            await device.link.drain()
            await give_way()

    other, greedy = await world.connected("other"), await world.connected("greedy")
    reader = asyncio.create_task(read(greedy.link))
    flooding = asyncio.create_task(beat_on(greedy))
    for _ in range(20):
        await other.beat()
    assert not flooding.done()
    flooding.cancel()
    reader.cancel()
    await asyncio.wait([flooding, reader])
