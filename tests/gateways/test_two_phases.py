"""A system with fewer phases and without Applications is judged for what it has, and asked for nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.core.errors import ProductFailure, UsageError
from harness.core.history import Kind
from harness.invariants import find_violations
from harness.stack import Stack
from harness.stack.backends import lacking
from harness.wasmbed.resources.kinds import APPLICATION
from tests.gateways.two_phases import two_phases
from tests.processes import PYTEST


@pytest.mark.parametrize("sequence", ["device-enrollment", "heartbeat-and-monitoring", "connection-lost"])
async def test_it_follows_the_diagrams_of_what_it_has(sequence: str, tmp_path: Path) -> None:
    async with Stack(two_phases(tmp_path).replace(heartbeat=1.0)) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        for _ in range(3):
            seen = stack.history[-1]
            await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=seen)
        await board.power_off()
        await device.until(phase="Disconnected")
        await stack.recorded()
        assert stack.history.phases(board.name) == ["Connected", "Disconnected"]
        stack.history.follows(sequence)
        stack.judge()
        kind = APPLICATION.kind
        assert not [event for event in stack.history if kind in event.name and event.kind is not Kind.NOTE]


async def test_a_device_comes_and_goes_without_a_phase_between(tmp_path: Path) -> None:
    async with Stack(two_phases(tmp_path)) as stack:
        board = await stack.boards.power_on()
        device = stack.device(board)
        for _ in range(2):
            await device.until(phase="Connected")
            await board.power_off()
            await device.until(phase="Disconnected")
            await board.power_on()
        await device.until(phase="Connected")
        await stack.recorded()
        assert stack.history.phases(board.name) == ["Connected", "Disconnected"] * 2 + ["Connected"]
        stack.judge()


async def test_what_it_does_not_do_is_blamed_on_it(tmp_path: Path) -> None:
    """It answers no enrollment: nothing that it has no phase for is missed before that."""
    options = two_phases(tmp_path, ("        self.send(1, self.device_id, NAME", "        (1, self.device_id, NAME"))
    async with Stack(options) as stack:
        board = await stack.boards.power_on()
        with pytest.raises(ProductFailure, match=r"the gateway has not answered .* enrollment request") as caught:
            await stack.device(board).until(phase="Connected", within=3)
        assert caught.value.party == "gateway"


async def test_a_phase_that_it_says_to_lack_is_not_accepted(tmp_path: Path) -> None:
    """Its own definition lets it write one."""
    change = ('{"phase": "Connected", ', '{"phase": "Enrolled", ')
    options = two_phases(tmp_path, change, phases=["Enrolled", "Disconnected"])
    async with Stack(options) as stack:
        board = await stack.boards.power_on()
        await stack.history.until("Device", kind=Kind.STATE, about=board.name, status=lambda each: "phase" in each)
        assert "went from nothing to ?Enrolled" in str(find_violations(stack.history)[0])


async def test_a_test_that_asks_for_what_it_lacks_is_told(tmp_path: Path) -> None:
    async with Stack(two_phases(tmp_path)) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        with pytest.raises(UsageError, match=r'no Application resources\n  -> .*requires\("applications"\)'):
            await stack.deploy("hello", to=board)
        with pytest.raises(UsageError, match=r'no phase Enrolled of a Device\n  -> .*requires\("device-phases"\)'):
            await device.until(phase="Enrolled")
        with pytest.raises(UsageError, match=r'no field health of a Device\n  -> .*requires\("device-fields"\)'):
            await device.until(health="healthy")
        with pytest.raises(UsageError, match=r'about Applications.*\n  -> .*requires\("applications"\)'):
            stack.history.follows("application-deployment")


def test_it_lacks_features(tmp_path: Path) -> None:
    options = two_phases(tmp_path)
    lost = ["applications", "device-fields", "device-phases"]
    assert lacking(options, ["gateway-fields"]) is None
    assert lacking(options, lost) == f"the system of --gateway=small has no {', '.join(lost)}"


def test_scenarios_run_on_it_as_they_are(tmp_path: Path) -> None:
    """Those of what it has; it takes any device that comes, so those about refusals would fail rightly."""
    options = two_phases(tmp_path)
    files = ["scenarios/test_connection.py", "scenarios/test_enrollment.py", "scenarios/test_deployment_errors.py"]
    chosen = [*files, "-k", "not refused", "-q", "-rs", f"--reports={tmp_path}"]
    named = [f"--gateway={options.gateway}", f"--gateway-file={options.gateway_file}"]
    done = subprocess.run([*PYTEST, *chosen, *named], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    for feature in ("applications", "device-fields", "device-phases"):
        assert f"the system of --gateway=small has no {feature}" in done.stdout
