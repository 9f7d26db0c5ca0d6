"""Boards that a Device asks for: an emulator manager starts, stops, restarts, and removes them."""

from __future__ import annotations

import pytest

from harness.stack import Stack
from harness.stack.devices import DeviceHandle
from harness.stack.emulators import emulators
from harness.stack.rest_api import RestApiRefusal
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import NotFound
from harness.wasmbed.resources.kinds import DEVICE, SECRET

PATIENCE = 60.0


def kind_of(stack: Stack) -> str:
    """The kind of boards that the run is about."""
    return stack.options.boards.partition("=")[0]


async def asked_for(stack: Stack, name: str = "pump-1", *, running: bool = True) -> DeviceHandle:
    """A device that somebody has asked for."""
    manifest = manifests.device_with_board(name, kind_of(stack), running=running)
    await stack.api.create(DEVICE, manifest)
    return stack.device(name)


async def change(stack: Stack, **board: object) -> None:
    """Change what the device asks for, as ``kubectl patch`` does."""
    await stack.api.patch(DEVICE, "pump-1", {"spec": {"board": board}})


@pytest.mark.requires("wasm", "applications", "gateway-http")
async def test_a_device_that_asks_for_a_board_enrolls_and_runs_an_application(stack: Stack) -> None:
    """Identity, board, enrollment under the same name, and a deployment that waited for it."""
    device = await asked_for(stack)
    application = await stack.deploy("hello", to="pump-1")
    async with emulators(stack):
        await device.until(phase="Connected", board={"phase": "Running", "host": "emulators-1"}, within=PATIENCE)
        await application.until(phase="Running", within=PATIENCE)
        assert device.status.board.restarts == 0


async def test_a_board_is_stopped_and_started_and_restarted(stack: Stack) -> None:
    """By a change of the spec each time; the device keeps its identity."""
    device = await asked_for(stack, running=False)
    async with emulators(stack):
        await device.until(board={"phase": "Stopped", "host": None}, within=PATIENCE)
        await change(stack, running=True)
        await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
        key, enrollments = device.spec.public_key, device.status.enrollments
        await change(stack, restartedAt="2026-12-01T00:00:00Z")
        await device.until(phase="Connected", enrollments=enrollments + 1, within=PATIENCE)
        await change(stack, running=False)
        await device.until(phase="Disconnected", board={"phase": "Stopped", "pid": None}, within=PATIENCE)
        await change(stack, running=True)
        await device.until(phase="Connected", enrollments=enrollments + 2, within=PATIENCE)
        assert device.spec.public_key == key


async def test_a_deleted_device_takes_its_board_and_identity_along(stack: Stack) -> None:
    """The board is off before the Device is gone, so that it does not enroll again."""
    device = await asked_for(stack)
    async with emulators(stack) as manager:
        await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
        await device.delete()
        await device.until_gone(within=PATIENCE)
        assert manager.controller.boards == {}
        with pytest.raises(NotFound):
            await stack.api.get(SECRET, "board-pump-1")


async def test_another_manager_takes_the_boards_of_one_that_died(stack: Stack) -> None:
    """After its lease expired; the device keeps its key. The boards of the other stay where they are."""
    devices = [await asked_for(stack, f"pump-{number}") for number in range(1, 5)]
    async with emulators(stack, "one", lease_duration=2.0) as one, emulators(stack, "two", lease_duration=2.0) as two:
        for device in devices:
            await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
        keys = [device.spec.public_key for device in devices]
        assert not one.controller.boards.keys() & two.controller.boards.keys()
        await one.kill()
        for device in devices:
            await device.until(phase="Connected", board={"phase": "Running", "host": "two"}, within=PATIENCE)
        assert [device.spec.public_key for device in devices] == keys
        assert sorted(two.controller.boards) == [device.name for device in devices]


async def test_a_kind_that_does_not_exist_is_said(stack: Stack) -> None:
    """The board is Failed with the reason, and a kind that exists mends it."""
    await stack.api.create(DEVICE, manifests.device_with_board("pump-1", "toaster"))
    device = stack.device("pump-1")
    async with emulators(stack):
        await device.until(board={"phase": "Failed", "host": None}, within=PATIENCE)
        assert "there are no boards of kind 'toaster'" in (device.status.board.last_exit or "")
        await change(stack, kind=kind_of(stack))
        await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)


@pytest.mark.requires("applications", "device-fields", "gateway-fields")
async def test_the_console_of_a_board_is_read_and_followed(stack: Stack) -> None:
    """With what its manager did, behind a restart, and at another manager after the first one died."""
    device, rest = await asked_for(stack), await stack.rest_api()
    path = "/api/v1/devices/pump-1/console"
    with pytest.raises(RestApiRefusal, match="no emulator manager has started the board"):
        await rest.get(path)
    async with emulators(stack, "one", lease_duration=2.0) as one:
        await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
        written = one.controller.boards["pump-1"].console.lines
        shown = (await rest.get(path, role="viewer"))["lines"]
        assert [each["line"] for each in shown if each["source"] == "board"] == written[: len(shown)]
        assert [each["line"] for each in shown if each["source"] == "manager"] == [
            f"{kind_of(stack)} board started by one"
        ]
        async with rest.following(f"{path}/events", role="viewer") as lines:
            assert await anext(lines) == shown[0]
            await change(stack, restartedAt="2026-12-01T00:00:00Z")
            async for each in lines:
                if each["source"] == "manager" and each != shown[0] and "started by one" in each["line"]:
                    break
            await one.kill()
            assert "started by" not in str([each async for each in lines])
        async with emulators(stack, "two", lease_duration=2.0):
            await device.until(phase="Connected", board={"phase": "Running", "host": "two"}, within=PATIENCE)
            assert "started by two" in str(await rest.get(path))
            await change(stack, running=False)
            await device.until(board={"phase": "Stopped", "host": None}, within=PATIENCE)
            assert "the board is off" in str(await rest.get(path))
