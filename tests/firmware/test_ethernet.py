"""Boards with Ethernet behave like boards on a serial line, and receive large modules sooner."""

from __future__ import annotations

import pytest

from harness.boards.board import Board
from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.core.errors import UsageError
from harness.stack import Stack, StackOptions
from harness.stack.modules import padded
from tests.loops import harness_loop

KINDS = {
    name: platform
    for name, platform in find_platforms("qemu-system-arm").items()
    if "ethernet" in platform.features and platform.image_path.exists()
}
LARGE = 150_000

pytestmark = [
    pytest.mark.system("QEMU"),
    pytest.mark.skipif(
        QemuTier.unavailable() is not None or not KINDS, reason=QemuTier.unavailable() or "no image: `make firmware`"
    ),
]


new_loop = pytest.fixture(harness_loop, name="new_loop")


async def connected(stack: Stack, board: Board) -> None:
    await stack.device(board).until(phase="Connected", within=20)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_board_runs_a_large_module_that_came_over_ethernet(kind: str) -> None:
    async with Stack(StackOptions(boards="qemu")) as stack:
        board = await stack.boards.power_on(kind, link="ethernet")
        await connected(stack, board)
        application = await stack.deploy(padded(stack.modules("hello"), LARGE), to=board, name="large")
        await application.until(phase="Running", within=60)
        assert board.counters is not None
        assert board.counters.down > LARGE
        stack.judge()


async def test_a_board_comes_back_after_its_link_broke() -> None:
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


@pytest.mark.parametrize("kind", ["virtual", "netduinoplus2"])
async def test_a_board_without_ethernet_refuses_it(kind: str) -> None:
    async with Stack(StackOptions()) as stack:
        with pytest.raises(UsageError, match=f"a {kind} has no link 'ethernet'"):
            await stack.boards.power_on(kind, link="ethernet")
