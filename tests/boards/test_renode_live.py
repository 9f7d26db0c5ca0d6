"""Boards in a real Renode with real firmware: power, time, snapshots, and their failures."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Power
from harness.boards.platform import IMAGES_VARIABLE, PLATFORMS_VARIABLE, ROOT
from harness.boards.renode import RenodeBoard, RenodeTier
from harness.boards.renode.installation import VARIABLE
from harness.boards.renode.library import has_library
from harness.boards.renode.platform import find_renode_platforms
from harness.boards.renode.tier import MACHINES_VARIABLE
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.loop import new_runner
from harness.core.network import SystemNetwork
from harness.stack import Stack, StackOptions
from harness.testing.bench import Bench, Expectations
from harness.testing.board import BOARD_CHECKS, check_board
from harness.wasmbed.pki.keys import Algorithm
from tests.loops import harness_loop
from tests.processes import command, descendants

KINDS = {name: kind for name, kind in find_renode_platforms().items() if kind.platform.refused is None}
KIND = "stm32f746g-disco"
MISSING = RenodeTier.unavailable() or next(
    (f"no image of {name}: `make firmware`" for name, kind in KINDS.items() if not kind.platform.image_path.exists()),
    None,
)
pytestmark = [pytest.mark.system("Renode"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

PATIENCE = 30
PROCESSES = 1 if has_library() and VARIABLE not in os.environ else 2
"""Processes of a host: with pyrenode3, Renode runs inside it."""
DEVICE_ID = "00000000-0000-4000-8000-000000000001"


def emulators() -> set[int]:
    """Return the Renode processes that this process has started, with their descendants."""
    return {pid for pid in descendants(os.getpid()) if "enode" in command(pid)}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not emulators()


@asynccontextmanager
async def scene(kind: str = KIND, **settings: Any) -> AsyncIterator[Bench]:
    tier = RenodeTier()

    def factory(given: BoardSettings, environment: BoardEnvironment) -> Board:
        return tier.make(kind, replace(given, **settings), environment)

    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(7))
    bench = Bench("pump-1", factory, environment, Expectations(patience=PATIENCE), Algorithm.P256)
    try:
        async with bench.open():
            yield bench
    finally:
        await tier.close()


def renode(bench: Bench) -> RenodeBoard:
    assert isinstance(bench.board, RenodeBoard)
    return bench.board


new_loop = pytest.fixture(harness_loop, name="new_loop")


# the contract of every board


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_kit(kind: str) -> None:
    found: dict[str, str] = {}

    async def check() -> None:
        tier = RenodeTier()
        try:
            async with asyncio.timeout(400):
                await check_board(
                    lambda settings, environment: tier.make(kind, settings, environment),
                    at_once=2,
                    # A second of a busy board takes several real ones, also for the boards beside it.
                    expectations=Expectations(patience=4 * PATIENCE, heartbeat=1.0),
                    progress=found.__setitem__,
                )
        finally:
            await tier.close()

    with new_runner() as runner:
        runner.run(check())
    assert found == dict.fromkeys(BOARD_CHECKS, "passed")


# its monitor and its usage


async def test_power_time_and_the_monitor() -> None:
    async with scene() as bench:
        board = renode(bench)
        for switch in (board.pause, board.resume, lambda: board.execute("version"), board.virtual_time):
            with pytest.raises(UsageError, match="the board is off"):
                await switch()
        await bench.enrolled()
        assert board.console.lines[0].startswith(f"BOOT board={KIND} ")
        assert await board.execute("sysbus.cpu PerformanceInMips") == "0x00000064"
        with pytest.raises(UsageError, match="does not provide a field, method or property Nothing"):
            await board.execute("sysbus.cpu Nothing")
        usage = board.usage
        assert usage is not None
        assert usage.memory > 1 << 20
        assert board.counters.up > 0

        await board.pause()
        still = await board.virtual_time()
        assert await board.virtual_time() == still
        await board.resume()
        await board.reset()
        await board.console.until(r"^BOOT .* reset=external", PATIENCE)
        await board.power_off()
        assert board.power is Power.OFF


async def test_several_kinds_in_one_host_run_for_exact_times() -> None:
    async with Stack(StackOptions()) as stack:
        boards = [await stack.boards.power_on(kind) for kind in KINDS]
        for board in boards:
            await stack.device(board).until(phase="Connected", within=PATIENCE)
        assert len(emulators()) == PROCESSES, "one host"

        await stack.boards.run_for(0.25)
        command = "emulation GetTimeSourceInfo"
        before = [(await board.execute(command)).splitlines()[0] for board in boards]
        assert len(set(before)) == 1, "it stands still"
        await stack.boards.run_for(0.5)
        after = (await boards[0].execute(command)).splitlines()[0]
        first, second = (float(line.rpartition(":")[2]) for line in (before[0], after))
        assert (second - first) % 60 == pytest.approx(0.5, abs=0.006)

        # Where time stands still, a board that starts takes the time that it needs.
        late = await stack.boards.power_on(KIND, name="late")
        await stack.boards.run()
        await stack.device(late).until(phase="Connected", within=PATIENCE)

        async with stack.boards.paced(0.05):
            await late.reset()
            await late.console.until(r"^BOOT .* reset=external", PATIENCE)
        await stack.device(late).until(phase="Connected", within=PATIENCE)


async def test_a_snapshot_brings_a_fleet_back() -> None:
    async with Stack(StackOptions()) as stack:
        boards = await stack.boards.power_on(KIND, count=2)
        devices = [await stack.device(board).until(phase="Connected", within=PATIENCE) for board in boards]
        ids = [device.status.device_id for device in devices]
        snapshot = await stack.boards.snapshot()
        assert snapshot.size > 100_000
        later = await stack.boards.power_on(KIND, name="later")
        await boards[0].cut_power()
        await devices[0].until(phase="Disconnected", within=PATIENCE)

        before = stack.history[-1]
        await snapshot.restore()
        assert later.power is Power.OFF
        for board, device in zip(boards, devices, strict=True):
            assert board.power is Power.ON
            await stack.history.until("TlsConnected", about=device.name, within=PATIENCE, after=before)
            await device.until(phase="Connected", within=PATIENCE)
        assert [device.status.device_id for device in devices] == ids
        # Nobody enrolled anew: the boards went on from where they were.
        for device in devices:
            assert len(stack.history.find("EnrollmentRequest", about=device.name)) == 1
        # A reset still finds its vectors.
        await boards[1].reset()
        await boards[1].console.until(r"^BOOT .* reset=external", PATIENCE)
        await later.power_on()
        await stack.device(later).until(phase="Connected", within=PATIENCE)


async def test_a_boards_storage_survives_a_power_cut_and_another_board_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MACHINES_VARIABLE, "1")

    async with Stack(StackOptions()) as stack:
        boards, devices = [], []
        for name in ("first", "second"):
            boards.append(await stack.boards.power_on(KIND, name=name, certificate="request"))
            devices.append(await stack.device(boards[-1]).until(phase="Connected", within=PATIENCE))
            await boards[-1].cut_power()
            await devices[-1].until(phase="Disconnected", within=PATIENCE)
        for board, device in zip(boards, devices, strict=True):
            await board.power_on()
            await device.until(phase="Connected", within=PATIENCE)
            await board.cut_power()
            requests = stack.history.find("EnrollmentRequest", about=device.name)
            assert ["csr" in event.data for event in requests] == [True, False, False]
        assert len(emulators()) == PROCESSES, "one host of one machine"


# what can be wrong


async def test_no_time_to_hold_without_such_boards() -> None:
    async with Stack(StackOptions()) as stack:
        await stack.boards.power_on("virtual")
        with pytest.raises(UsageError, match="there are no boards whose virtual time can be held"):
            await stack.boards.run_for(1)


async def test_the_boards_of_a_host_that_dies_are_off() -> None:
    async with Stack(StackOptions()) as stack:
        board = await stack.boards.power_on(KIND)
        device = await stack.device(board).until(phase="Connected", within=PATIENCE)
        *_, emulator = sorted(emulators())
        os.kill(emulator, signal.SIGKILL)
        await board.console.until(r"Renode \(host 1\): it(s host)? ended", PATIENCE)
        assert board.power is Power.OFF
        await stack.history.until("EmulatorEnded", about=device.name, within=PATIENCE)
        with pytest.raises(RigError, match=r"(?s)the board went off by itself.*it(s host)? ended"):
            await device.until(phase="Failed", within=1)
        await board.power_on()
        await device.until(phase="Connected", within=PATIENCE)


async def test_a_description_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "platforms" / KIND, tmp_path / KIND)
    with (tmp_path / KIND / f"{KIND}.repl").open("a") as file:
        file.write("\nfoo: No.Such.Type @ sysbus 0x1\n")
    monkeypatch.setenv(PLATFORMS_VARIABLE, str(tmp_path))

    async with scene() as bench:
        with pytest.raises(RigError, match=r"(?s)LoadPlatformDescription.*Could not resolve type"):
            await bench.board.power_on()
        assert bench.board.power is Power.OFF


@pytest.mark.parametrize(
    ("other", "words"),
    [("stm32f4-discovery.elf", "is for another board: it has [0-9]+ bytes at 0x1000"), (None, "is not an image")],
)
async def test_an_image_for_another_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str | None, words: str
) -> None:
    image = tmp_path / f"{KIND}.elf"
    if other is None:
        image.write_text("this is not an ELF")
    else:
        shutil.copyfile(KINDS[KIND].platform.image_path.parent / other, image)
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))

    async with scene() as bench:
        with pytest.raises(RigError, match=words):
            await bench.board.power_on()
        assert bench.board.power is Power.OFF


async def test_a_serial_line_that_is_taken() -> None:
    async with scene() as bench:
        (renode(bench).farm.folder / "1.link").touch()
        with pytest.raises(RigError, match=r"(?s)CreateUartPtyTerminal.*already exists"):
            await bench.board.power_on()
        assert bench.board.power is Power.OFF
        await bench.enrolled()


async def test_a_disk_that_is_full() -> None:
    """Renode crashes, so the boards of that host are off, and the error says why."""

    async with scene() as bench:
        await bench.board.power_on()
        farm = renode(bench).farm
        for pid in farm.pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(RigError, match=r"it(s host)? ended|Renode refused `Save"):
            await farm.snapshot()
