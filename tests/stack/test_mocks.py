"""The two mocks without a stack: as a test of another gateway or another firmware uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness.boards.board import Credentials
from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, UsageError
from harness.stack import MockBoard, MockGateway, Stack, StackOptions
from harness.stack.mock_gateway import BoardConnection
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.keys import generate_key, private_key_der
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    EnrollmentResponse,
    Error,
    Heartbeat,
    HeartbeatAcknowledgment,
    Stop,
    StopResult,
)

DEVICE_ID = "4b9f2a52-9c3f-4a52-8a57-2f1b8f6f1a11"


@asynccontextmanager
async def both(recorded: list[Any] | None = None) -> AsyncIterator[tuple[BoardConnection, MockBoard]]:
    """The two ends of one link, before anything was said."""
    clock = SystemClock()
    servers, devices = ServerAuthorities("Servers", clock), Authority.create("Devices", clock)
    key = generate_key()
    certificate = devices.issue_device("pump-1", key.public_key())
    board = MockBoard("pump-1", Credentials(servers.certificates, private_key_der(key), certificate))
    tap = None if recorded is None else lambda *event: recorded.append(event)
    async with MockGateway(servers.issue("mock"), devices.certificate, tap=tap) as gateway:
        await board.connect(gateway.endpoint)
        try:
            yield await gateway.accept(), board
        finally:
            await board.close()


async def test_each_enrolls_the_other() -> None:
    async with both() as (gateway, board):
        request, device_id = await asyncio.gather(gateway.enroll(DEVICE_ID), board.enroll())
        assert device_id == DEVICE_ID
        assert request.public_key == board.public_key


async def test_a_module_goes_over_and_is_stopped() -> None:
    async with both() as (gateway, board):
        await asyncio.gather(gateway.enroll(DEVICE_ID), board.enroll())
        module = bytes(range(256)) * 3
        result, delivery = await asyncio.gather(gateway.deploy("pump", module), board.run_module())
        assert (result, delivery.module) == (DeploymentResult("pump", ok=True), module)
        await gateway.expect(ApplicationStatus)
        stop = gateway.send(Stop("pump"))
        assert (await board.obey_stop()).application_id == "pump"
        await gateway.expect(StopResult, stop)


async def test_answers_are_held_back_until_they_are_released() -> None:
    async with both() as (gateway, board):
        board.device_id = DEVICE_ID
        gateway.hold()
        first, second = (board.send(board.heartbeat(pump=ApplicationState.RUNNING)) for _ in range(2))
        await gateway.expect(Heartbeat)
        await gateway.expect(Heartbeat)
        gateway.reply(Error("BUSY", "later", retry_after=5))
        await board.expect(Error, second)
        with pytest.raises(ProductFailure, match="did not send HeartbeatAcknowledgment within"):
            await board.expect(HeartbeatAcknowledgment, within=0.05)
        gateway.release()
        await board.expect(HeartbeatAcknowledgment, first)
        assert [beat.applications for beat in gateway.heartbeats] == [{"pump": "running"}] * 2


async def test_what_is_not_expected_names_who_sent_it() -> None:
    async with both() as (gateway, board):
        asked = board.send(board.request())
        with pytest.raises(ProductFailure, match=r"the board sent EnrollmentRequest.*, expected Heartbeat"):
            await gateway.expect(Heartbeat)
        gateway.send(EnrollmentResponse(DEVICE_ID, "mock", "127.0.0.1:0", 1000), asked + 7)
        with pytest.raises(ProductFailure, match=f"the gateway replied with the wrong id: .* {asked + 7}, expected"):
            await board.expect(EnrollmentResponse, asked)
        gateway.write(bytes.fromhex("00000002ffff"))
        with pytest.raises(ProductFailure, match="the gateway broke the protocol"):
            await board.receive()
        await gateway.close()
        await board.until_closed()
        with pytest.raises(LinkClosed):
            board.send(board.request())


async def test_the_links_of_a_mock_gateway_are_recorded_as_a_mocks() -> None:
    recorded: list[Any] = []
    async with both(recorded) as (gateway, board):
        await asyncio.gather(gateway.enroll(DEVICE_ID), board.enroll())
        await board.close()
        await gateway.until_closed()
    assert [event[2] for event in recorded] == [
        "TlsConnected",
        "EnrollmentRequest",
        "EnrollmentResponse",
        "EnrollmentAcknowledgment",
        "Heartbeat",
        "HeartbeatAcknowledgment",
        "ConnectionClosed",
    ]
    assert {event[3]["mock"] for event in recorded} == {"Gateway"}
    assert {event[4] for event in recorded} == {"pump-1"}


async def test_a_wire_that_is_none_or_that_a_board_does_not_speak_is_the_callers_mistake() -> None:
    async with Stack(StackOptions()) as stack:
        with pytest.raises(UsageError, match=r"unknown wire 'x'\n  -> the wires are 1, u, r"):
            await stack.boards.power_on(wire="x")
        with pytest.raises(UsageError, match=r"boards of kind mps2-an385 speak protocol 1 only"):
            await stack.boards.power_on("mps2-an385", wire="u")
        with pytest.raises(UsageError, match=r"unknown wire 'x'"):
            await stack.mock_gateway(wire="x")
