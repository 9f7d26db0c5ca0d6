"""Times to wait: silence is measured for each device, pauses begin anew after a success, returns are spread."""

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest

from harness.stack import MockBoard, MockGateway, Stack
from harness.stack.mock_gateway import BoardConnection
from harness.wasmbed.protocol.messages import (
    EnrollmentRequest,
    EnrollmentResponse,
    Error,
    ErrorCode,
    Heartbeat,
    StopResult,
)

DEVICE_ID = "4b9f2a52-9c3f-4a52-8a57-2f1b8f6f1a11"
BEAT = 2.0
"""Seconds between two heartbeats. A machine that stands still for less than two of them gives no device up."""
PLACES = 4
MANY = 8
FAILURES = 5
ROUNDS = 3
"""Pauses of which the shortest counts: each is longer or shorter by up to half."""


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


@pytest.mark.stack(heartbeat=BEAT)
async def test_silence_counts_from_the_last_heartbeat_of_each_device(stack: Stack) -> None:
    """The first sends a heartbeat after an interval and no more, the second, later, none at all: the first is given up
    first."""
    first = await enrolled(stack, "first")
    await stack.clock.sleep(BEAT)
    await first.beat()
    second = await stack.mock_board("second")
    second.send(second.request())
    await second.expect(EnrollmentResponse)
    silent = [await stack.history.until("ConnectionClosed", about=name) for name in ("first", "second")]
    assert silent[0].n < silent[1].n


@pytest.mark.requires("gateway-stop")
async def test_devices_are_asked_back_at_different_moments(stack: Stack) -> None:
    """A gateway with eight devices shuts down: they do not all get the same time to wait."""
    boards = [await stack.mock_board(f"meter-{number}") for number in range(MANY)]
    await asyncio.gather(*(board.enroll() for board in boards))
    stopping = asyncio.create_task(stack.gateway.stop())
    errors = [await board.expect(Error) for board in boards]
    await asyncio.gather(*(board.until_closed() for board in boards))
    await stopping
    assert {error.code for error in errors} == {ErrorCode.GATEWAY_DRAINING}
    assert len({error.retry_after for error in errors}) > 1


@pytest.mark.requires("gateway-api-faults", "gateway-stop")
async def test_a_device_that_was_enrolling_is_not_taken_on_in_a_shutdown(stack: Stack) -> None:
    """Its Device cannot be made until the gateway has told it that it shuts down: no response follows."""
    meter, late = await stack.mock_board("meter"), await stack.mock_board("late")
    with stack.api_faults.holding("create", client="Gateway", kind="Device") as held:
        meter.send(meter.request())
        await held.reached.wait()
        stopping = asyncio.create_task(stack.gateway.stop())
        late.send(late.request())
        assert (await meter.expect(Error)).code == ErrorCode.GATEWAY_DRAINING
        held.released.set()
        await meter.until_closed()
        await late.until_closed()
    await stopping
    assert not stack.history.find("EnrollmentResponse")
    if "gateway-reasons" in stack.gateway.features:  # another process may have read the question before it was stopped
        assert not stack.device("late").exists


@pytest.mark.requires("gateway-settings", "gateway-stop")
async def test_peers_that_have_gone_leave_their_places(stack: Stack) -> None:
    """As many as there are places for strangers came and went, with a wrong word or without one: all are free."""
    await stack.gateway.restart(unclaimed=PLACES)
    for number in range(2 * PLACES):
        peer = await stack.mock_board(f"peer-{number}")
        await stack.history.until("TlsConnected", about=peer.name)
        if number < PLACES:
            peer.send(StopResult("app", ok=True))
            await peer.until_closed()
        else:
            await peer.close()
        await stack.history.until("ConnectionClosed", about=peer.name)
    waiting = [await stack.mock_board(f"silent-{number}") for number in range(PLACES - 1)]
    await enrolled(stack)
    for peer in waiting:
        await peer.enroll()


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("applications", "gateway-http", "virtual-time")
async def test_a_controller_forgets_its_failures_after_a_success(stack: Stack) -> None:
    """Its pauses grow while a write fails; when the next write of the object fails, they are short again."""
    with stack.api_faults.failing(
        "patch_status", client="ApplicationController", kind="Application", code=503
    ) as first:
        application = await stack.deploy("hello", to="nobody", name="app")
        await first.met(7)
    await application.until(observed_generation=1)
    with stack.api_faults.failing(
        "patch_status", client="ApplicationController", kind="Application", code=503
    ) as again:
        await application.redeploy(None, fuel=60_000)
        await again.met(1 + ROUNDS)
    assert min(again.pauses) < max(first.pauses) / 2


@pytest.mark.requires("gateway-api-faults", "virtual-time")
async def test_a_gateway_forgets_its_failures_after_a_success(stack: Stack) -> None:
    """Writes of a Device fail, and one succeeds while the next heartbeat waits for its turn: the pauses of that one's
    failures are short again."""
    meter = await enrolled(stack)
    writes: dict[str, Any] = {"client": "Gateway", "kind": "Device", "name": "meter"}
    with ExitStack() as faults:
        first = faults.enter_context(stack.api_faults.failing("patch_status", **writes, code=503, times=FAILURES))
        held = faults.enter_context(stack.api_faults.holding("patch_status", **writes))
        meter.runtime_status = "busy"
        await meter.beat()
        await first.met(FAILURES)
        await held.reached.wait()
        meter.runtime_status = "ready"
        await meter.beat()
        again = faults.enter_context(stack.api_faults.failing("patch_status", **writes, code=503))
        held.released.set()
        await again.met(1 + ROUNDS)
    assert min(again.pauses) < max(first.pauses) / 2


@pytest.mark.requires("virtual-time")
async def test_a_board_forgets_its_failures_after_a_session(stack: Stack) -> None:
    """Its pauses grow while the gateway drops it; after a session the first is short again."""
    gateway = await stack.mock_gateway()
    await stack.boards.power_on()
    connection, pauses = await gateway.accept(), []
    for _ in range(FAILURES):
        await connection.expect(EnrollmentRequest)
        connection, pause = await _dropped(stack, gateway, connection)
        pauses.append(pause)
    await connection.enroll(DEVICE_ID)
    after = []
    for _ in range(ROUNDS):
        connection, pause = await _dropped(stack, gateway, connection)
        after.append(pause)
        await connection.expect(Heartbeat)
    assert min(after) < max(pauses) / 2


async def _dropped(stack: Stack, gateway: MockGateway, connection: BoardConnection) -> tuple[BoardConnection, float]:
    """Drop a connection; the board's next one, and the seconds until then."""
    dropped = stack.clock.now()
    await connection.close()
    following = await gateway.accept()
    return following, stack.clock.now() - dropped
