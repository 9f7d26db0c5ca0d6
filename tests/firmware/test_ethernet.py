"""Boards whose link is Ethernet: as over the serial line, but large modules arrive sooner."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from harness.boards.board import Board
from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.core.errors import UsageError
from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions
from harness.stack.modules import padded

KINDS = {
    name: platform
    for name, platform in find_platforms("qemu-system-arm").items()
    if "ethernet" in platform.features and platform.image_path.exists()
}
LARGE = 150_000

pytestmark = pytest.mark.skipif(
    QemuTier.unavailable() is not None or not KINDS, reason=QemuTier.unavailable() or "no image: `make firmware`"
)


def play(scene: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(90):
            await scene

    with new_runner() as runner:
        runner.run(bounded())


async def connected(stack: Stack, board: Board) -> None:
    await stack.device(board).until(phase="Connected", within=20)


@pytest.mark.parametrize("kind", KINDS)
def test_a_board_runs_a_large_module_that_came_over_ethernet(kind: str) -> None:
    async def scene() -> None:
        async with Stack(StackOptions(boards="qemu")) as stack:
            board = await stack.boards.power_on(kind, link="ethernet")
            await connected(stack, board)
            application = await stack.deploy(padded(stack.modules("hello"), LARGE), to=board, name="large")
            await application.until(phase="Running", within=60)
            assert board.counters is not None
            assert board.counters.down > LARGE
            stack.judge()

    play(scene())


def test_the_link_breaks_and_the_board_comes_back() -> None:
    async def scene() -> None:
        async with Stack(StackOptions(boards="qemu", heartbeat=1.0)) as stack:
            board = await stack.boards.power_on(next(iter(KINDS)), link="ethernet")
            await connected(stack, board)
            await board.cut_link()
            await stack.device(board).until(phase="Disconnected", within=20)
            await board.restore_link()
            await connected(stack, board)
            await board.reset()
            await stack.device(board).until(phase="Disconnected", within=20)
            await connected(stack, board)
            await board.power_off()
            assert board.console.lines[-1].endswith("power: off")
            await stack.device(board).until(phase="Disconnected", within=20)
            await board.power_on()
            await connected(stack, board)
            await board.cut_power()
            await stack.device(board).until(phase="Disconnected", within=20)
            stack.judge()

    play(scene())


@pytest.mark.parametrize("kind", ["virtual", "netduinoplus2"])
def test_a_board_without_ethernet_says_so(kind: str) -> None:
    async def scene() -> None:
        async with Stack(StackOptions()) as stack:
            with pytest.raises(UsageError, match=f"a {kind} has no link 'ethernet'"):
                await stack.boards.power_on(kind, link="ethernet")

    play(scene())
