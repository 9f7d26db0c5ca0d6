"""Answers of the API server that are lost after it did what it was asked: nothing is done twice, nothing is used up."""

import pytest

from harness.core.history import Event
from harness.stack import Stack

CODES = pytest.mark.parametrize("code", [None, 504], ids=["cut", "504"])


def moves(stack: Stack, device: str, phase: str) -> list[Event]:
    """The writes that moved a device to this phase."""
    patches = stack.history.find("PATCH Device", about=device, code=200)
    return [event for event in patches if event.data.get("status", {}).get("phase") == phase]


@pytest.mark.requires("device-phases", "gateway-api-faults")
@CODES
async def test_a_device_that_was_made_enrolls(stack: Stack, code: int | None) -> None:
    """The Device is there, and its gateway does not know: it looks, and goes on with the enrollment."""
    with stack.api_faults.losing_answers("create", client="Gateway", kind="Device", code=code, times=1) as fault:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected", within=60)
    assert fault.hit == 1
    assert len(stack.history.find("EnrollmentRequest", about=device.name)) == 1
    assert len(stack.history.find("POST Device", about=device.name)) == 1
    assert stack.history.phases(device.name) == ["Pending", "Enrolling", "Enrolled", "Connected"]


@pytest.mark.requires("device-phases", "gateway-api-faults")
@CODES
async def test_each_phase_is_written_once(stack: Stack, code: int | None) -> None:
    """The answers to the writes of Enrolling and Connected are lost: neither is written a second time."""
    with stack.api_faults.losing_answers("patch_status", client="Gateway", kind="Device", code=code, times=2) as fault:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected", within=60)
        await fault.met(2)
    await board.power_off()
    await device.until(phase="Disconnected", within=60)
    for phase in ("Enrolling", "Enrolled", "Connected", "Disconnected"):
        assert len(moves(stack, device.name, phase)) == 1, phase


@pytest.mark.requires("gateway-api-faults")
@CODES
async def test_a_lost_device_is_disconnected_once(stack: Stack, code: int | None) -> None:
    """The same for the end of a session, and for the next session."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    with stack.api_faults.losing_answers("patch_status", client="Gateway", kind="Device", code=code) as fault:
        await board.power_off()
        await device.until(phase="Disconnected", error="Connection lost", within=60)
        await fault.met(1)
    await board.power_on()
    await device.until(phase="Connected", within=60)
    assert len(moves(stack, device.name, "Disconnected")) == 1
    assert len(moves(stack, device.name, "Connected")) == 2


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("device-phases")
@CODES
async def test_a_device_is_enrolled_once(stack: Stack, code: int | None) -> None:
    """The device controller's answer is lost: the enrollment counts once."""
    with stack.api_faults.losing_answers("patch_status", client="DeviceController", kind="Device", code=code, times=1):
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected", within=60)
    assert device.status.enrollments == 1
    assert len(moves(stack, device.name, "Enrolled")) == 1


@pytest.mark.requires("gateway-api-faults", "gateway-pairing")
@pytest.mark.requires("csr")
@pytest.mark.parametrize("verb", ["patch", "delete"])
@CODES
async def test_a_pairing_token_is_not_used_up(stack: Stack, code: int | None, verb: str) -> None:
    """The token is marked as used, or deleted, and its gateway does not know: the device gets its certificate."""
    with stack.api_faults.losing_answers(verb, client="Gateway", kind="Secret", code=code, times=1):
        board = await stack.boards.power_on(certificate="request")
        device = await stack.device(board).until(phase="Connected", within=60)
    assert len(stack.history.find("EnrollmentResponse", about=device.name, certificate=bool)) == 1
    assert not stack.history.find("Error", about=device.name, source="Gateway")


@pytest.mark.requires("applications", "controllers-api-faults", "gateway-api-faults", "gateway-http", "wasm")
@pytest.mark.parametrize("client", ["ApplicationController", "Gateway"])
@CODES
async def test_an_application_is_deployed_once(stack: Stack, code: int | None, client: str) -> None:
    """The first answers to the writes of its status are lost: it is sent once, runs, and stops once."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    with stack.api_faults.losing_answers(
        "patch_status", "patch", client=client, kind="Application", code=code, times=4
    ):
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running", within=60)
        await application.delete()
        await application.until_gone(within=60)
    assert len(stack.history.find("Deploy", about=application.name)) == 1
    assert len(stack.history.find("Stop", about=application.name)) == 1
    assert device.status.phase == "Connected"
