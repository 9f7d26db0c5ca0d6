"""A QEMU process is started, used and ended without leftovers. Its firmware is `guest/echo.c`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.boards.gdb import GdbStub
from harness.boards.qemu.machine import Machine, line_pair
from harness.core.clock import SystemClock
from harness.core.errors import RigError

QEMU, COMPILER = "qemu-system-arm", "arm-none-eabi-gcc"
missing = [program for program in (QEMU, COMPILER) if shutil.which(program) is None]
pytestmark = [
    pytest.mark.system("QEMU"),
    pytest.mark.skipif(bool(missing), reason=f"needs {' and '.join(missing)} (see system-packages.txt)"),
]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guest") / "echo.elf"
    source = Path(__file__).parent / "guest" / "echo.c"
    places = ["-Wl,--section-start=.vectors=0", "-Wl,-Ttext=0x80", "-Wl,-Tdata=0x20000000", "-Wl,-e,reset"]
    flags = ["-mcpu=cortex-m3", "-mthumb", "-Os", "-nostdlib", "-nostartfiles"]
    subprocess.run([COMPILER, *flags, *places, "-o", path, source], check=True)
    return path


class Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = b""
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._changed.set()

    async def until(self, wanted: bytes) -> None:
        async with asyncio.timeout(20):
            while wanted not in self.received:
                self._changed.clear()
                await self._changed.wait()


class Rig:
    def __init__(self, image: Path, *arguments: str) -> None:
        self.link, self.console, self.events = Wire(), Wire(), []
        self.machine = Machine(
            "board-1",
            QEMU,
            ["-M", "mps2-an385", "-kernel", str(image), *arguments],
            link=self.link,
            console=self.console,
            clock=SystemClock(),
        )

    async def start(self) -> Rig:
        await self.machine.start()
        return self


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_link_and_console_are_separate_lines(image: Path) -> None:
    rig = await Rig(image).start()
    try:
        await rig.console.until(b"hello\n")
        rig.link.transport.write(b"abc" * 500)
        await rig.link.until(b"ABC" * 500)
        assert rig.console.received == b"hello\n"
    finally:
        await rig.machine.stop()
    assert rig.machine.exited is not None
    assert rig.machine.exited.result() == 0


async def test_a_reset_starts_the_guest_again(image: Path) -> None:
    rig = await Rig(image).start()
    try:
        await rig.console.until(b"hello\n")
        await rig.machine.execute("system_reset")
        await rig.console.until(b"hello\nhello\n")
    finally:
        await rig.machine.stop()


async def test_killed_or_stopped_nothing_is_left(image: Path) -> None:
    for end in ("kill", "stop"):
        rig = await Rig(image).start()
        pid = rig.machine.pid
        assert pid is not None
        await getattr(rig.machine, end)()
        assert gone(pid)
        assert rig.machine.pid is None
        await rig.machine.stop()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
async def test_a_killed_test_run_takes_its_emulators_with_it(image: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import asyncio, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from test_qemu_machine import Rig\n"
        "async def play():\n"
        "    rig = await Rig(Path(sys.argv[2])).start()\n"
        "    print(rig.machine.pid, flush=True)\n"
        "    await asyncio.get_running_loop().create_future()\n"
        "asyncio.run(play())\n"
    )
    command = [sys.executable, str(script), str(Path(__file__).parent), str(image)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - nothing else runs
        assert process.stdout is not None
        emulator = int(process.stdout.readline())
        ended = os.pidfd_open(emulator)
        process.send_signal(signal.SIGKILL)

        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        loop.add_reader(ended, lambda: over.done() or over.set_result(None))
        await over
        loop.remove_reader(ended)
        os.close(ended)


async def test_memory_and_registers_are_read_and_written(image: Path, tmp_path: Path) -> None:
    rig, stub = await Rig(image).start(), GdbStub("board-1")
    try:
        await rig.console.until(b"hello\n")
        await rig.machine.execute("stop")
        await rig.machine.monitor(f"gdbserver unix:{tmp_path / 'gdb'},server=on,wait=off")
        await stub.open(str(tmp_path / "gdb"))
        assert int.from_bytes(await stub.read_memory(0, 4), "little") == 0x20080000
        await stub.write_memory(0x20001000, bytes(range(256)) * 10)
        assert await stub.read_memory(0x20001000, 2560) == bytes(range(256)) * 10
        registers = await stub.read_registers()
        assert registers["sp"] <= 0x20080000
        assert 0x80 <= registers["pc"] < 0x400
        with pytest.raises(RigError, match="no memory to read"):
            await stub.read_memory(0x90000000, 4)
        await stub.close()
    finally:
        await rig.machine.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("-M", "no-such-board"), "unsupported machine"), (("-kernel", "/nowhere.elf"), "nowhere.elf")],
)
async def test_qemus_error_output_is_shown_when_it_does_not_start(
    image: Path, arguments: tuple[str, str], words: str
) -> None:
    with pytest.raises(RigError, match=words):
        await Rig(image, *arguments).start()


async def test_a_missing_program_is_the_rigs_failure(image: Path) -> None:
    rig = Rig(image)
    rig.machine.command[0] = "no-such-emulator"
    with pytest.raises(RigError):
        await rig.start()


async def test_a_command_that_qemu_refuses_is_the_rigs_failure(image: Path) -> None:
    rig = await Rig(image).start()
    try:
        with pytest.raises(RigError, match="refused"):
            await rig.machine.execute("no-such-command")
    finally:
        await rig.machine.stop()


def test_a_line_holds_more_unread_bytes_than_an_ordinary_pair_of_sockets() -> None:
    def unread(pair: tuple[socket.socket, socket.socket]) -> int:
        ours, theirs = pair
        theirs.setblocking(False)
        count = 0
        with ours, theirs, contextlib.suppress(BlockingIOError):
            while True:
                count += theirs.send(b".")
        return count

    assert unread(line_pair()) > unread(socket.socketpair())
