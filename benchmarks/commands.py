"""``command_start``: processor time of commands from their start to their end, against a Python that does nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.figure import Figure, middle

ROUNDS = 9
MOST = 0.25
"""Seconds of processor."""
COMMANDS = {
    "command_help": ["--help"],
    "command_devices": ["devices"],
    "command_devices_json": ["devices", "-o", "json"],
}
DEVICES = 5


@asynccontextmanager
async def platform(folder: Path) -> AsyncIterator[Path]:
    """A platform with connected boards; its kubeconfig."""
    kubeconfig = folder / "kubeconfig"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "harness.cli", "up", f"--boards=virtual={DEVICES}", "--port=0", "--http-port=0"),
        f"--kubeconfig={kubeconfig}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            if f"{DEVICES} Connected" in line.decode():
                break
        yield kubeconfig
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


def seconds(*arguments: str) -> float:
    """Processor time of a Python with these arguments, user and system."""
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


async def measure() -> list[Figure]:
    """A figure for each command."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        async with platform(Path(folder)) as kubeconfig:
            for name, arguments in COMMANDS.items():
                given = [*arguments, f"--kubeconfig={kubeconfig}"] if arguments[0] != "--help" else arguments
                value, peer = middle(
                    (seconds("-m", "harness.cli", *given), seconds("-c", "pass")) for _ in range(ROUNDS)
                )
                wanted = f"below {MOST} s"
                figures.append(
                    Figure(name, value, "s of processor", "python -c pass", peer, wanted, lambda value, _: value < MOST)
                )
    return figures
