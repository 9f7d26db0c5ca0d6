"""A virtual board that a gateway sends to another one."""

from __future__ import annotations

import pytest

from harness.core.clock import ManualClock
from harness.stack.mock_gateway import MockGateway
from harness.testing.bench import Bench
from harness.wasmbed.protocol.messages import (
    EnrollmentAcknowledgment,
    EnrollmentResponse,
    Error,
    Heartbeat,
)
from tests.boards.virtual_bench import DEVICE_ID, scene, shows

NO_ADDRESSES = [
    *(
        "",
        "gateway",
        "gateway:",
        ":1",
        "gateway:0",
        "gateway:65536",
        "gateway:x",
        "gateway:+1",
        "gate way:1",
        "g\x10:1",
    ),
    *("a..b:1", f"{'a' * 64}:1", f"{'a.' * 128}:4433"),
]
"""Of the last two, a resolver refuses a label, and the whole name."""


async def assigned(bench: Bench, home: str) -> MockGateway:
    """A second gateway. The first has assigned the board to ``home``, by default that one."""
    second = bench.make_gateway(bench.servers.issue("second", ("localhost", "127.0.0.1")))
    await second.start()
    peer = await bench.connected()
    request = await peer.receive()
    home = home or "{}:{}".format(*second.endpoint)
    response = EnrollmentResponse(DEVICE_ID, "second", home, 30_000, None, reassigned=True)
    peer.link.send(response, request.message_id)
    await peer.expect(EnrollmentAcknowledgment)
    if home.startswith("127"):
        await peer.until_closed()
    return second


async def test_a_board_that_is_assigned_to_another_gateway_resumes_there() -> None:
    """When that has no more place for it, it resumes at the one that it was provisioned with."""
    async with scene() as bench:
        second = await assigned(bench, "")
        try:
            there = await second.accept()
            assert isinstance((await there.link.receive()).message, Heartbeat)  # which is not acknowledged
            there.link.send(Error("GATEWAY_FULL", "all sessions are in use", 1))
            there.link.abort()
            back = await bench.gateway.accept()
            assert (await back.expect(Heartbeat)).device_id == DEVICE_ID
        finally:
            await second.stop()


async def test_a_board_whose_new_gateway_is_not_there_resumes_at_its_own() -> None:
    async with scene() as bench:
        second = await assigned(bench, "127.0.0.1:1")
        await second.stop()
        back = await bench.gateway.accept()
        assert (await back.expect(Heartbeat)).device_id == DEVICE_ID
        await shows(bench, "back to the provisioned gateway")


@pytest.mark.parametrize("nonsense", NO_ADDRESSES)
async def test_a_board_that_is_assigned_to_no_address_stays(nonsense: str) -> None:
    async with scene() as bench:
        peer = await bench.connected()
        request = await peer.receive()
        peer.link.send(
            EnrollmentResponse(DEVICE_ID, "second", nonsense, 30_000, None, reassigned=True), request.message_id
        )
        await peer.expect(EnrollmentAcknowledgment)
        assert (await peer.expect(Heartbeat)).device_id == DEVICE_ID


async def test_a_chain_of_assignments_is_followed_after_a_pause() -> None:
    """Gateways that assign a board to each other cannot keep it busy."""
    clock = ManualClock()
    async with scene(clock=clock) as bench:
        second = await assigned(bench, "")
        try:
            there = await second.accept()
            heartbeat = await there.link.receive()
            there.link.send(Error("ENROLLMENT_FAILED", "unknown device id"), heartbeat.message_id)
            request = await there.receive()
            home = "{}:{}".format(*bench.gateway.endpoint)
            response = EnrollmentResponse(DEVICE_ID, "first", home, 30_000, None, reassigned=True)
            there.link.send(response, request.message_id)
            await shows(bench, "link: next attempt in")
            await clock.advance(1)
            back = await bench.gateway.accept()
            assert (await back.expect(Heartbeat)).device_id == DEVICE_ID
        finally:
            await second.stop()
