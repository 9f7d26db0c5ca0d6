"""Renode's monitor on the standard input of a ``renode`` process.

The input must stay open and the output must be read, or Renode stops or hangs. An echoed mark ends each reply. Renode
deletes every ``$TMPDIR/renode-*`` when it starts and when it ends, and keeps its settings in the user's home; here it
gets separate folders for both.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import signal
from collections import deque
from pathlib import Path
from typing import Protocol

from harness.core.errors import reason

__all__ = ["ConsoleMonitor", "Gone", "Monitor", "die_with_parent", "surroundings"]

PR_SET_PDEATHSIG = 1
VERSION = re.compile(r"Renode, version (\d+(?:\.\d+)*)")
_CHATTER = re.compile(r"^ +at |^ *-+ *End of |^\([\w.-]*\)|^Starting emulation|^Pausing emulation")
"""Lines that are left out of the last output: stack traces, prompts, and routine messages."""
LINE_LIMIT = 1 << 20
KEPT_LINES = 30
"""Lines of output that are kept, to be shown if Renode ends by itself."""
THREADS = 64
"""The minimum of .NET's thread pool: each pseudo terminal occupies a thread, and the pool grows by only two threads a
second, during which boards receive nothing. Mono reads it as a number per processor, CoreCLR as hexadecimal digits."""
NURSERY = "16m"
"""Memory that Mono allocates between two garbage collections. With its default of 4 MB, they take a fifth of a fleet's
start."""


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment variables that Renode needs, and make its folders below ``folder``."""
    for name in ("tmp", "config"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "TMPDIR": str(folder / "tmp"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "MONO_THREADS_PER_CPU": str(THREADS),
        "MONO_GC_PARAMS": f"nursery-size={NURSERY}",
        "DOTNET_ThreadPool_ForceMinWorkerThreads": f"{THREADS:x}",
    }


def die_with_parent() -> None:
    """Ask the system to kill this process when its parent ends, if the system supports that."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Gone(Exception):
    """Renode has ended. Arguments: the exit status or None, and the last output."""


class Monitor(Protocol):
    """Sends commands to a Renode."""

    via: str

    async def open(self) -> str:
        """Start Renode; returns its version. Raises Gone if it does not start."""

    async def execute(self, command: str) -> str:
        """Execute a command; returns its output. Raises Gone."""

    async def ended(self) -> Gone:
        """Wait until Renode has ended."""

    async def close(self) -> None:
        """End Renode in any state."""

    @property
    def pid(self) -> int:
        """The process of the emulation."""


class ConsoleMonitor:
    """The monitor of a ``renode`` program; its files are below ``folder``."""

    via = "monitor"

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._process: asyncio.subprocess.Process | None = None
        self._marks = 0
        self._tail: deque[str] = deque(maxlen=KEPT_LINES)
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def open(self) -> str:
        own = surroundings(self._folder)
        settings = str(self._folder / "config" / "renode.ini")
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._program,
                *("--disable-xwt", "--console", "-p", "--hide-log", "--config", settings),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._folder,
                env=os.environ | own,
                start_new_session=True,
                preexec_fn=die_with_parent,
                limit=LINE_LIMIT,
            )
        except OSError as error:
            raise Gone(None, f"{self._program} did not start: {reason(error)}") from error
        found = VERSION.search(await self.execute("version"))
        return found[1] if found else ""

    async def execute(self, command: str) -> str:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._turn:
            self._marks += 1
            mark = f"@@{self._marks}@@"
            lines: list[str] = []
            try:
                process.stdin.write(f'{command}\necho "{mark}"\n'.encode())
                await process.stdin.drain()
                while line := await process.stdout.readline():
                    text = line.decode("utf-8", "replace").rstrip("\r\n")
                    # Renode echoes the command itself; a log line may precede the mark on its line.
                    if text.endswith(mark) and not text.endswith(f'"{mark}"'):
                        return "\n".join(lines)
                    lines.append(text)
                    self._remember(text)
            except ConnectionError:
                pass
            except ValueError as error:
                self._remember(f"an endless line: {error}")
                self._end()
            raise await self._gone()

    async def ended(self) -> Gone:
        assert self._process is not None
        await self._process.wait()
        async with self._turn:
            return await self._gone()

    async def _gone(self) -> Gone:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in (await self._process.stdout.read()).decode("utf-8", "replace").splitlines():
            self._remember(line)
        return Gone(await self._process.wait(), "\n".join(self._tail))

    def _remember(self, text: str) -> None:
        # Each prompt begins with a carriage return.
        self._tail += (line.rstrip() for line in text.splitlines() if line.strip() and not _CHATTER.match(line))

    async def close(self) -> None:
        if self._process is not None:
            self._end()
            await self._process.communicate()

    def _end(self) -> None:
        # `renode` may be a script, so its process group is killed. Asking Renode to quit would take longer.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
