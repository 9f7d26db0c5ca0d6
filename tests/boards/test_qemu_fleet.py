"""Emulated boards of several kinds in one stack: start, accounting, pause, debugger, and power cycle."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.boards.board import Board
from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.core.errors import RigError, UsageError
from harness.stack import Stack, StackOptions
from tests.loops import harness_loop

KINDS = ("mps2-an385", "netduinoplus2")
PLATFORMS = find_platforms("qemu-system-arm")
IMAGES = [PLATFORMS[kind].image_path for kind in KINDS]
MISSING = QemuTier.unavailable() or next(
    (f"no {image.name}: `make firmware`" for image in IMAGES if not image.exists()), None
)
pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]


new_loop = pytest.fixture(harness_loop, name="new_loop")


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(StackOptions(boards="qemu", heartbeat=1.0)) as stack:
        yield stack
        stack.judge()


async def test_mixed_kinds_through_a_rolling_power_cycle(stack: Stack) -> None:
    progress: list[tuple[int, int]] = []
    boards = await stack.boards.power_on(KINDS[0], count=2, progress=lambda done, of: progress.append((done, of)))
    assert progress == [(1, 2), (2, 2)]
    boards += [await stack.boards.power_on(kind) for kind in (KINDS[1], "virtual")]
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)

    async def back(board: Board) -> None:
        gone = await stack.history.until("ConnectionClosed", about=board.name, within=30)
        await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=gone, within=30)

    await stack.boards.cycle(at_once=2, back=back)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
        assert len(stack.history.find("TlsConnected", about=board.name)) == 2


async def test_usage_and_traffic_of_each_board(stack: Stack) -> None:
    boards = [await stack.boards.power_on(kind) for kind in (*KINDS, "virtual")]
    emulated, virtual = boards[:-1], boards[-1]
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
    usage = stack.boards.usage()
    assert usage.keys() == {board.name for board in emulated}
    assert all(4 << 20 < used.memory < 100 << 20 and used.cpu > 0 for used in usage.values())
    for board in emulated:
        assert board.counters is not None
        assert min(board.counters.up, board.counters.down) > 500
    assert virtual.counters is None
    assert virtual.recording is None


async def test_an_emulator_that_ends_by_itself_is_reported_with_its_code(stack: Stack) -> None:
    board = await stack.boards.power_on(KINDS[0], name="pump-1")
    await stack.device(board).until(phase="Connected", within=30)
    assert board.pid is not None
    os.kill(board.pid, signal.SIGKILL)
    ended = await stack.history.until("EmulatorEnded", about="pump-1", within=30)
    assert ended.data == {"device": "pump-1", "code": -9, "message": ""}
    with pytest.raises(RigError, match=r"went off by itself(.|\n)*the emulator ended with code -9"):
        await stack.device(board).until(phase="Failed", within=1)
    await board.power_off()
    await board.power_on()
    await board.cut_power()
    await board.power_on()
    await board.power_off()
    assert len(stack.history.find("EmulatorEnded", about="pump-1")) == 1


async def test_a_stacks_board_stands_still_and_is_looked_into(stack: Stack) -> None:
    board, virtual = await stack.boards.power_on(KINDS[0]), await stack.boards.power_on("virtual")
    device = await stack.device(board).until(phase="Connected", within=30)
    await board.pause()
    await device.until(phase="Disconnected", within=30)
    await board.resume()
    await device.until(phase="Connected", within=30)
    async with board.debugger() as debugger:
        assert await debugger.read_memory(PLATFORMS[KINDS[0]].provisioning.origin, 4) == b"WBID"
    for refused in (virtual.pause, virtual.resume):
        with pytest.raises(UsageError, match="a virtual lacks the feature 'pause'"):
            await refused()
    with pytest.raises(UsageError, match="lacks the feature 'debug'"):
        virtual.debugger()


async def test_a_fleet_that_does_not_fit_is_refused_with_numbers(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "meminfo").write_text("MemAvailable: 1048576 kB\n")
    monkeypatch.setattr("harness.boards.usage.PROC", tmp_path)
    monkeypatch.setattr("harness.boards.usage.CGROUP", tmp_path)

    with pytest.raises(RigError, match=r"200 boards need 200 x \d+ MiB = \d+ MiB .* 1024 MiB .*\n.* at most"):
        await stack.boards.power_on(KINDS[0], count=200)
    assert len(stack.boards) == 0
