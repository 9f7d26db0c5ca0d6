"""Emulator managers and emulators as processes that are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from harness.boards.catalogue import Catalogue
from harness.stack import Stack
from harness.stack.emulators import emulators
from harness.stack.options import StackOptions
from harness.wasmbed.pki.keys import write_file
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.views import Device

KIND = "mps2-an385"
PATIENCE = 90.0
needs_qemu = pytest.mark.skipif(KIND in Catalogue().absent, reason=f"no {KIND}: see wasmbed doctor")


@asynccontextmanager
async def program(stack: Stack, folder: Path, name: str):
    """``wasmbed emulators`` in a process of its own; killed at the end, if it is still there."""
    kubeconfig, trusted = folder / "kubeconfig", folder / "gateways.der"
    await stack.cluster.give_access("EmulatorManager", kubeconfig)
    stack.pki.devices.save(folder)
    write_file(trusted, stack.pki.servers.certificates)
    arguments = {
        "gateway": "{}:{}".format(*stack.gateway.endpoint),
        "gateway-authority": trusted,
        "device-authority": folder / "ca-cert.der",
        "device-authority-key": folder / "ca-key.der",
        "identity": name,
        "lease-duration": 2,
        "kubeconfig": kubeconfig,
        "namespace": stack.api.namespace,
    }
    command = [sys.executable, "-m", "harness.cli", "emulators", *(f"--{key}={arguments[key]}" for key in arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            said = (await process.stdout.readline()).decode()
        assert said.startswith("ready http=")
        yield process, "http://" + said.removeprefix("ready http=").strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_boards_of_a_program_that_was_killed_go_to_another(tmp_path: Path) -> None:
    """Its lease stays until it expires; a program that is asked to end gives its boards back at once."""
    async with Stack(StackOptions()) as stack:
        await stack.api.create(DEVICE, manifests.device_with_board("pump-1", "virtual"))
        device = stack.device("pump-1")
        async with program(stack, tmp_path, "first") as (first, _):
            await device.until(phase="Connected", board={"phase": "Running", "host": "first"}, within=PATIENCE)
            first.kill()
            async with program(stack, tmp_path, "second") as (second, url):
                await device.until(phase="Connected", board={"phase": "Running", "host": "second"}, within=PATIENCE)
                async with aiohttp.ClientSession(url, raise_for_status=True) as session:
                    for path in ("/healthz", "/readyz"):
                        await session.get(path)
                    metrics = await (await session.get("/metrics")).text()
                assert 'wasmbed_controllers_reconciliations_total{controller="EmulatorManager",result="ok"}' in metrics
                second.terminate()
                assert await second.wait() == 0
                await device.until(phase="Disconnected", board={"phase": "Pending", "host": None}, within=PATIENCE)


@needs_qemu
async def test_an_emulator_that_was_killed_is_started_again() -> None:
    """Its end is in the status, and the device enrolls again under its key."""
    async with Stack(StackOptions(boards=KIND)) as stack:
        await stack.api.create(DEVICE, manifests.device_with_board("pump-1", KIND))
        device = stack.device("pump-1")
        async with emulators(stack):
            await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
            pid, key = device.status.board.pid, device.spec.public_key
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await device.until(board={"phase": "Running", "restarts": 1}, within=PATIENCE)
            assert device.status.board.pid != pid
            assert (device.status.board.last_exit or "").startswith("killed by SIGKILL")
            await device.until(phase="Connected", enrollments=2, within=PATIENCE)
            assert device.spec.public_key == key


@needs_qemu
async def test_a_board_that_is_never_restarted_stays_failed_until_its_board_changes() -> None:
    """No manager has it meanwhile, whatever else of its Device is changed."""
    async with Stack(StackOptions(boards=KIND)) as stack:
        await stack.api.create(DEVICE, manifests.device_with_board("pump-1", KIND, restart_policy="Never"))
        device = stack.device("pump-1")
        async with emulators(stack):
            await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
            assert device.status.board.pid is not None
            os.kill(device.status.board.pid, signal.SIGKILL)
            await device.until(board={"phase": "Failed", "host": None, "restarts": 0}, within=PATIENCE)
            settled = device.status.board.raw
            await stack.api.patch(DEVICE, "pump-1", {"spec": {"preferredGateway": "gateway-2"}})
        await stack.api.create(DEVICE, manifests.device_with_board("pump-2", KIND))
        async with emulators(stack):  # looks at every board
            await stack.device("pump-2").until(phase="Connected", within=PATIENCE)
            assert Device(await stack.api.get(DEVICE, "pump-1")).status.board.raw == settled
            await stack.api.patch(DEVICE, "pump-1", {"spec": {"board": {"restartedAt": "2026-12-01T00:00:00Z"}}})
            await device.until(phase="Connected", board={"phase": "Running"}, within=PATIENCE)
