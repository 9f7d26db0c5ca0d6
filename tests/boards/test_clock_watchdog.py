"""On boards without such hardware, the clock's interrupt detects a firmware that hangs and a stack that overflows."""

from __future__ import annotations

import asyncio

import pytest

from harness.boards.platform import ROOT, load_platform
from harness.boards.qemu import QemuTier
from harness.boards.renode import RenodeTier
from harness.core.history import Event
from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions

pytestmark = pytest.mark.system("QEMU")
PLATFORMS = ROOT / "platforms"
TIERS = {"qemu": QemuTier, "renode": RenodeTier}


def crash(tier: str, kind: str, self_test: str) -> Event:
    """Provoke a crash; returns its event after the board is Connected again."""
    missing = TIERS[tier].unavailable()
    if missing is None and not load_platform(PLATFORMS / kind / "board.toml").image_path.exists():
        missing = f"no image of {kind}: `make firmware`"
    if missing is not None:
        pytest.skip(missing)

    async def play() -> Event:
        async with asyncio.timeout(90), Stack(StackOptions(boards=tier)) as stack:
            board = await stack.boards.power_on(kind, self_test=self_test, watchdog=1.0)
            event = await stack.history.until("Crash", about=board.name, within=30)
            await stack.device(board).until(phase="Connected", within=30)
            stack.judge()
            return event

    with new_runner() as runner:
        return runner.run(play())


@pytest.mark.parametrize(("tier", "kind"), [("qemu", "netduinoplus2"), ("renode", "stm32f746g-disco")])
def test_a_hang_is_ended_and_shows_where_it_was(tier: str, kind: str) -> None:
    event = crash(tier, kind, "hang")
    assert event.data["cause"] == "watchdog"
    assert "provoke+" in event.data["at"]


@pytest.mark.parametrize("kind", ["stm32f4-discovery", "arduino-nano-33-ble"])
def test_a_stack_overflow_in_renode_is_reported_with_its_recursion(kind: str) -> None:
    event = crash("renode", kind, "stack-overflow")
    assert event.data["cause"] == "stack-overflow"
    assert sum("overflow" in frame for frame in event.data["backtrace"]) > 3
