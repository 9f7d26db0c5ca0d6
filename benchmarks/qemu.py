"""Real firmware in QEMU: power-on to Connected for one board and for many, a module from deployment to running, a large
fleet's heartbeats and memory, and what the interpreter on a board does in the time that wasmtime takes."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from harness.boards.board import BoardEnvironment, BoardSettings
from harness.boards.console import Console
from harness.boards.provisioning import provisioning_blob
from harness.boards.qemu import QemuTier
from harness.boards.usage import usage_of
from harness.core.clock import SystemClock
from harness.stack import Stack, StackOptions
from harness.wasmbed.pki.keys import Algorithm

KIND = "mps2-an385"
MANY = 64
FLEET = 200
BEAT = 10.0
"""Seconds between two heartbeats of a board of the fleet."""
WATCHED = 120.0
"""Seconds that the fleet is watched."""
LATE = 1.5
"""Heartbeats that are more than this number of periods apart have a missing one between them."""
MODULE = 10 << 10
LARGE_MODULE = 400 << 10
FIRMWARE = Path(__file__).resolve().parents[1] / "firmware"
MATRIX = FIRMWARE / "apps" / "modules" / "matrix.wasm"
ROWS = 24
TIMES = {"virtual": 20_000, KIND: 20, "host": 500}
"""How often each kind of board multiplies, so that it takes about a second. ``host``: the firmware's node, wasmi and
all, as a program on this machine."""
FUEL = 10**12
GIB = 1 << 30


async def measure() -> list[Figure]:
    if (why := QemuTier.unavailable()) is not None:
        print(f"the figures of emulated boards are left out: {why}", file=sys.stderr)
        return []
    clock = SystemClock()
    return [
        *await _one_board(clock),
        await _links(clock),
        await _many_boards(clock),
        *await _fleet(clock),
        *await _interpreter(),
    ]


async def _one_board(clock: SystemClock) -> list[Figure]:
    connected, running = [], []
    async with Stack(StackOptions(boards=KIND)) as stack:
        for _ in range(7):
            start = clock.now()
            board = await stack.boards.power_on(KIND)
            await stack.device(board).until(phase="Connected", within=30)
            connected.append(clock.now() - start)
            module = padded(stack.modules("hello"), MODULE)
            start = clock.now()
            application = await stack.deploy(module, to=board)
            await application.until(phase="Running", within=30)
            running.append(clock.now() - start)
            await board.power_off()
    return [
        Figure("qemu_power_on", median(connected), "s", "limit", 0.5, "at most 0.5 s", lambda value, _: value <= 0.5),
        Figure("qemu_deploy_10_kb", median(running), "s", "limit", 2.0, "at most 2 s", lambda value, _: value <= 2),
    ]


async def _links(clock: SystemClock) -> Figure:
    """How fast a large module is deployed over either link of a board, kB/s."""
    rates = []
    async with Stack(StackOptions(boards=KIND)) as stack:
        for link in ("ethernet", None):
            board = await stack.boards.power_on(KIND, link=link)
            await stack.device(board).until(phase="Connected", within=30)
            module = padded(stack.modules("hello"), LARGE_MODULE)
            start = clock.now()
            application = await stack.deploy(module, to=board, name=link or "serial")
            await application.until(phase="Running", within=120)
            rates.append(LARGE_MODULE / (clock.now() - start) / 1000)
            await board.power_off()
    return Figure(
        "qemu_ethernet", rates[0], "kB/s", "serial line", rates[1], "at least 5 times", lambda _, ratio: ratio >= 5
    )


async def _many_boards(clock: SystemClock) -> Figure:
    async with Stack(StackOptions(boards=KIND)) as stack:
        start = clock.now()
        boards = await stack.boards.power_on(KIND, count=MANY)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=60)
        took = clock.now() - start
    return Figure(f"qemu_{MANY}_boards", took, "s", "limit", 15.0, "at most 15 s", lambda value, _: value <= 15)


async def _fleet(clock: SystemClock) -> list[Figure]:
    async with Stack(StackOptions(boards=KIND, heartbeat=BEAT)) as stack:
        began = clock.now()
        boards = await stack.boards.power_on(KIND, count=FLEET)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=120)
        took, start = clock.now() - began, clock.now()
        await clock.sleep(WATCHED)
        end = clock.now()
        own = usage_of(os.getpid())
        memory = sum(usage.memory for usage in stack.boards.usage().values()) + (own.memory if own else 0)
        missed = 0
        for board in boards:
            beats = [event.at for event in stack.history.find("Heartbeat", about=board.name) if event.at >= start]
            gaps = [later - earlier for earlier, later in pairwise([start, *beats, end])]
            missed += sum(int(gap / BEAT / LATE) for gap in gaps)
    due = FLEET * WATCHED / BEAT
    return [
        Figure(f"qemu_{FLEET}_boards", took, "s", f"{MANY} boards' limit", 15.0),
        Figure(
            f"qemu_{FLEET}_boards_missed",
            missed,
            "beats",
            f"beats due in {WATCHED:.0f} s",
            due,
            "none",
            lambda value, _: value == 0,
        ),
        Figure(
            f"qemu_{FLEET}_boards_memory",
            memory / GIB,
            "GiB",
            "limit; with platform and harness",
            6.0,
            "under 6 GiB",
            lambda value, _: value < 6,
        ),
    ]


async def _interpreter() -> list[Figure]:
    """Matrices a second, always with a limit of fuel: on wasmi, on an emulated Cortex-M3 and on this machine, each
    against wasmtime on this machine."""
    if not MATRIX.exists():
        print("the figures of the interpreter are left out: no matrix.wasm, run `make apps`", file=sys.stderr)
        return []
    rates = {}
    async with Stack(StackOptions()) as stack:
        for kind in ("virtual", KIND):
            board = await stack.boards.power_on(kind)
            rates[kind] = await _rate(stack, kind, board.name, board.console)
        if (program := await _host_program()) is not None:
            async with _host_node(stack, program) as console:
                rates["host"] = await _rate(stack, "host", "host", console)
    unit, peer, wasmtime = f"{ROWS}x{ROWS} matrices/s", "the same module on wasmtime", rates.pop("virtual")
    names = {KIND: "qemu_matrix", "host": "wasmi_matrix"}
    return [Figure(names[kind], rate, unit, peer, wasmtime) for kind, rate in rates.items()]


async def _rate(stack: Stack, kind: str, device: str, console: Console) -> float:
    await stack.device(device).until(phase="Connected", within=30)
    told, arguments = [], (str(ROWS), str(TIMES[kind]))
    for _ in range(3):
        application = await stack.deploy(MATRIX, to=device, fuel=FUEL, time_limit=600_000, args=arguments)
        milliseconds = await console.until(rf"app {application.name}: .* rows in (?:ms: )?(\d+)", 120)
        told.append(int(milliseconds[1]))
        await application.delete()
        await application.until_gone(within=30)
    return 1000 * TIMES[kind] / median(told)


async def _host_program() -> Path | None:
    cargo = shutil.which("cargo")
    if cargo is None:
        print("the figure of wasmi on this machine is left out: cargo is not there", file=sys.stderr)
        return None
    build = [cargo, "build", "--quiet", "--locked", "--release", "--package=wasmbed-host"]
    process = await asyncio.create_subprocess_exec(*build, cwd=FIRMWARE, stdout=sys.stderr)
    if await process.wait():
        print("the figure of wasmi on this machine is left out: see above", file=sys.stderr)
        return None
    return Path(os.environ.get("CARGO_TARGET_DIR", FIRMWARE / "target")) / "release" / "wasmbed-host"


@asynccontextmanager
async def _host_node(stack: Stack, program: Path) -> AsyncIterator[Console]:
    """The node, provisioned as the device ``host``, and what it writes."""
    credentials = await stack.pki.credentials("host", algorithm=Algorithm.P256)
    settings = BoardSettings("host", credentials, stack.boards.gateway, stack.boards.gateway[0])
    console = Console("host", stack.clock)
    with tempfile.NamedTemporaryFile() as blob:
        blob.write(provisioning_blob(settings, BoardEnvironment(stack.clock, stack.network, stack.randomness)))
        blob.flush()
        process = await asyncio.create_subprocess_exec(program, blob.name, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        reading = asyncio.create_task(_read(process.stdout, console))
        try:
            yield console
        finally:
            process.kill()
            await process.wait()
            await reading


async def _read(stream: asyncio.StreamReader, console: Console) -> None:
    while data := await stream.read(4096):
        console.feed(data)


def padded(module: bytes, size: int) -> bytes:
    """``module`` made ``size`` bytes long by a custom section, which runtimes skip."""
    room = size - len(module) - 6
    length = room + 2
    encoded = bytes((length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14))
    return module + b"\0" + encoded + b"\1x" + bytes(room)
