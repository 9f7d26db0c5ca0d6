"""A board in QEMU with real firmware: power, lines, memory, and every way in which a start can fail."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Power
from harness.boards.platform import IMAGES_VARIABLE, find_platforms
from harness.boards.provisioning import provisioning_blob
from harness.boards.qemu import QemuBoard, QemuTier
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError, RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.testing.bench import Bench, Expectations
from harness.wasmbed.pki.keys import Algorithm
from harness.wasmbed.protocol.messages import Heartbeat
from tests.processes import children, command

KIND = "mps2-an385"
PLATFORM = find_platforms("qemu-system-arm")[KIND]
MISSING = QemuTier.unavailable() or (None if PLATFORM.image_path.exists() else f"no image of {KIND}: `make firmware`")
pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

DEVICE_ID = "00000000-0000-4000-8000-000000000001"


def emulators() -> set[int]:
    """Return the QEMU processes that this process has started."""
    return {pid for pid in children(os.getpid()) if "qemu-system" in command(pid)}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not emulators()


@asynccontextmanager
async def scene(kind: str = KIND, **settings: Any) -> AsyncIterator[Bench]:
    tier = QemuTier()

    def factory(given: BoardSettings, environment: BoardEnvironment) -> Board:
        return tier.make(kind, replace(given, **settings), environment)

    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(7))
    bench = Bench("pump-1", factory, environment, Expectations(patience=60, heartbeat=1.0), Algorithm.P256)
    try:
        async with bench.open():
            yield bench
    finally:
        await tier.close()


def qemu(bench: Bench) -> QemuBoard:
    assert isinstance(bench.board, QemuBoard)
    return bench.board


async def trouble(bench: Bench, *words: str, error: type[HarnessError] = RigError) -> None:
    """Check that the board does not start, that the error says why, and that nothing is left."""
    with pytest.raises(error) as caught:
        await bench.board.power_on()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert bench.board.power is Power.OFF
    assert not emulators()


async def test_power_on_off_cut_and_reset() -> None:
    async with scene() as bench:
        board = qemu(bench)
        assert (board.power, board.pid) == (Power.OFF, None)
        await board.reset()
        await board.power_off()
        await board.cut_power()
        peer = await bench.enrolled()
        assert emulators() == {board.pid}
        await board.reset()
        await peer.until_closed()
        peer = await bench.gateway.accept()
        await peer.enroll(DEVICE_ID)
        assert [line for line in board.console.lines if "reset=external boots=1" in line]
        await board.power_off()
        await peer.until_closed()
        assert board.console.lines[-1].endswith("power: off")
        assert not emulators()
        peer = await bench.enrolled()
        await board.cut_power()
        await peer.until_closed()
        assert (board.power, emulators()) == (Power.OFF, set())


async def test_the_link_carries_the_session_and_the_console_has_its_lines() -> None:
    async with scene() as bench:
        peer = await bench.enrolled()
        await peer.expect(Heartbeat)
        board = qemu(bench)
        assert board.counters.connections == 1
        assert min(board.counters.up, board.counters.down) > 500
        assert all(line.isprintable() for line in board.console.lines)
        await board.cut_link()
        await peer.until_closed()
        await board.power_off()
        connecting = asyncio.create_task(board.console.until_next("link: connecting", 20))
        await board.power_on()
        await connecting
        await bench.gateway.silence(0.3)
        await board.restore_link()
        again = await bench.gateway.accept()
        await again.enroll(DEVICE_ID)


async def test_a_board_finds_a_gateway_that_starts_later() -> None:
    async with scene() as bench:
        await bench.gateway.stop()
        await bench.board.power_on()
        await bench.board.console.until("link: no connection", 20)
        await bench.gateway.start()
        await (await bench.gateway.accept()).enroll(DEVICE_ID)


async def test_a_power_cut_clears_memory_except_storage() -> None:
    storage = PLATFORM.storage
    assert storage is not None

    async with scene() as bench:
        await bench.board.power_on()
        end = storage.origin + storage.size
        places = (storage.origin - 4, storage.origin, end - 4, end)
        async with qemu(bench).debugger() as debugger:
            for place in places:
                await debugger.write_memory(place, b"kept")
        await bench.board.cut_power()
        await bench.board.power_on()
        async with qemu(bench).debugger() as debugger:
            found = [await debugger.read_memory(place, 4) for place in places]
        assert found == [bytes(4), b"kept", b"kept", bytes(4)]


async def test_a_paused_board_is_silent_until_it_resumes() -> None:
    async with scene() as bench:
        peer = await bench.enrolled()
        board = qemu(bench)
        await board.pause()
        said = board.counters.up
        await bench.clock.sleep(3 * bench.expectations.heartbeat)
        assert board.counters.up == said
        await board.resume()
        await peer.expect(Heartbeat)
        await board.cut_power()
        for switch in (board.pause, board.resume):
            with pytest.raises(UsageError, match="the board is off"):
                await switch()


@pytest.mark.parametrize(
    ("kind", "program", "ram"),
    [
        (KIND, range(0x40_0000), range(0x2000_0000, 0x2040_0000)),
        ("riscv32-virt", range(0x8000_0000, 0x8018_0000), range(0x8019_0000, 0x8020_0000)),
    ],
    ids=["mps2-an385", "riscv32-virt"],
)
async def test_memory_and_registers_of_a_running_board(kind: str, program: range, ram: range) -> None:
    if (missing := QemuTier().about(kind).unavailable) is not None:
        pytest.skip(missing)

    async with scene(kind) as bench:
        peer = await bench.enrolled()
        place = qemu(bench).platform.provisioning
        async with qemu(bench).debugger() as debugger:
            assert await debugger.read_memory(place.origin, 4) == b"WBID"
            registers = await debugger.read_registers()
            assert registers["pc"] in program
            assert registers["sp"] in ram
            await debugger.write_memory(place.origin + place.size - 8, b"written!")
            with pytest.raises(RigError, match="no memory"):
                await debugger.read_memory(0xF000_0000, 4)
        await peer.expect(Heartbeat)
        async with qemu(bench).debugger() as debugger:
            assert await debugger.read_memory(place.origin + place.size - 8, 8) == b"written!"
        await peer.expect(Heartbeat)


async def test_a_missing_image_is_reported_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as bench:
        monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
        await trouble(bench, "no image mps2-an385.elf", "make firmware")


async def test_an_image_for_another_board_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mps2-an386.elf").symlink_to(PLATFORM.image_path)
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))

    async with scene("mps2-an386") as bench:
        await trouble(bench, "mps2-an386.elf is an image for mps2-an385", "make firmware")


async def test_a_file_that_is_not_an_image_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PLATFORM.image).write_bytes(b"this is not an ELF file")
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))

    async with scene() as bench:
        await trouble(bench, "is not an image", "make firmware")


SILENT = 'void reset(void) { for (;;) __asm__ volatile("wfi"); }'
CHATTER = """
#define UART1 ((volatile unsigned *)0x40005000)
void reset(void) {
    UART1[4] = 16;
    UART1[2] = 1;
    for (const char *text = "\\xff\\xfe\\x01 BOOT\\nHALT? no\\n"; *text; text++) {
        while (UART1[1] & 1) {}
        UART1[0] = *text;
    }
    for (;;) __asm__ volatile("wfi");
}"""


@pytest.mark.parametrize(
    ("source", "words"),
    [(SILENT, ["did not come up within 1 s", "wrote nothing"]), (CHATTER, ["did not come up", "BOOT", "HALT? no"])],
    ids=["silent", "chatter"],
)
async def test_other_firmware_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: list[str]
) -> None:
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("needs arm-none-eabi-gcc (see .ci/packages.txt)")
    (tmp_path / "other.c").write_text(
        f'{source}\n__attribute__((section(".vectors"), used)) void *const vectors[] = {{(void *)0x20010000, reset}};'
    )
    flags = ["-mcpu=cortex-m3", "-mthumb", "-Os", "-nostdlib", "-Wl,--section-start=.vectors=0", "-Wl,-Ttext=0x80"]
    command = [compiler, *flags, "-Wl,-e,reset", "-o", tmp_path / PLATFORM.image, tmp_path / "other.c"]
    subprocess.run(command, check=True)  # noqa: ASYNC221 - nothing else runs on this loop
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    monkeypatch.setattr(QemuBoard, "RUNS_WITHIN", 1.0)

    async with scene() as bench:
        await trouble(bench, *words, "make firmware")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda blob: blob[:-40], "truncated or damaged"),
        (lambda blob: blob[:200], "truncated or damaged"),
        (lambda blob: blob[:300] + bytes([blob[300] ^ 1]) + blob[301:], "truncated or damaged"),
        (lambda blob: b"WBXX" + blob[4:], "no provisioning blob"),
        (lambda blob: b"", "no provisioning blob"),
        (lambda blob: blob[:4] + b"\x00\x10\x00\x00" + blob[8:], "longer than the memory for it"),
    ],
    ids=["end", "most", "bit", "magic", "all", "length"],
)
async def test_a_bad_blob_is_the_firmwares_complaint(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes], words: str
) -> None:
    monkeypatch.setattr(
        "harness.boards.qemu.board.provisioning_blob",
        lambda *arguments: damage(provisioning_blob(*arguments)),
    )

    async with scene() as bench:
        await trouble(bench, "the firmware halted", words)


async def test_a_blob_that_does_not_fit_is_refused() -> None:
    async with scene(capabilities=("x" * 70_000,)) as bench:
        await trouble(bench, "room for 65536", error=UsageError)


async def test_an_emulator_that_dies_leaves_a_board_without_power() -> None:
    async with scene() as bench:
        peer, board = await bench.enrolled(), qemu(bench)
        assert board.pid is not None
        os.kill(board.pid, signal.SIGKILL)
        await peer.until_closed()
        while board.pid is not None:
            await asyncio.wait([asyncio.ensure_future(bench.clock.sleep(0.01))])
        assert board.power is Power.OFF
        await board.power_off()
        again = await bench.enrolled()
        await again.expect(Heartbeat)


async def test_a_start_that_is_interrupted_leaves_nothing() -> None:
    async with scene() as bench:
        for _ in range(2):
            starting = asyncio.create_task(bench.board.power_on())
            await bench.board.console.until_next("^BOOT", 20)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert not emulators()
            assert bench.board.power is Power.OFF
        await (await bench.connected()).enroll(DEVICE_ID)


async def test_a_start_that_is_interrupted_at_any_moment_leaves_nothing() -> None:
    async with scene() as bench:
        for moment in range(0, 60, 4):
            starting = asyncio.create_task(bench.board.power_on())
            await bench.clock.sleep(moment / 1000)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await bench.board.cut_power()
            assert not emulators()


async def test_a_hang_needs_a_watchdog() -> None:
    async with scene(self_test="hang") as bench:
        qemu(bench).features -= {"watchdog"}
        await trouble(bench, "no watchdog", error=UsageError)
