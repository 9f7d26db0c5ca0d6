"""Renode's monitor on the standard input of a ``renode`` process.

The input must stay open and the output must be read to its end, or Renode stops or hangs; a mark that is echoed ends
each reply. Renode deletes ``$TMPDIR/renode-*`` of everybody when it starts and when it ends, and keeps its settings
in the user's home: both are folders of its own here.
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
"""Of last words: stack traces, the monitor's prompts, and what it says each time."""
LINE_LIMIT = 1 << 20
LAST_WORDS = 30
"""Lines of output that are kept to be shown when Renode ends by itself."""
THREADS = 64
"""Of .NET's pool, at least: each pseudo terminal keeps one, and the pool's own growth is two threads a second, while
boards are deaf. Mono reads it as a number for each processor, CoreCLR in hexadecimal digits."""
NURSERY = "16m"
"""Bytes that Mono allocates between two collections: with its own 4 MB, a fleet's start is a fifth collecting."""


def surroundings(folder: Path) -> dict[str, str]:
    """The environment that Renode needs beside the usual one: folders of its own below ``folder``, which are made."""
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
    """Let the system kill this process when its parent ends, where the system can."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Gone(Exception):
    """Renode has ended. Its arguments: the exit status if there is one, and its last words."""


class Monitor(Protocol):
    """A way to give commands to a Renode."""

    via: str

    async def open(self) -> str:
        """Start it; returns its version. Raises Gone if it does not come up."""

    async def execute(self, command: str) -> str:
        """What it printed until the command was done. Raises Gone."""

    async def ended(self) -> Gone:
        """Return when it has ended."""

    async def close(self) -> None:
        """End it, whatever it does."""

    @property
    def pid(self) -> int:
        """The process that the emulation runs in."""


class ConsoleMonitor:
    """A ``renode`` program, all of its files below ``folder``."""

    via = "monitor"

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._process: asyncio.subprocess.Process | None = None
        self._marks = 0
        self._tail: deque[str] = deque(maxlen=LAST_WORDS)
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
                    # The command itself is echoed; a line of the log may come before the mark.
                    if text.endswith(mark) and not text.endswith(f'"{mark}"'):
                        return "\n".join(lines)
                    lines.append(text)
                    self._remember(text)
            except ConnectionError:
                pass
            except ValueError as error:
                self._remember(f"a line that does not end: {error}")
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
        # A carriage return comes before each prompt.
        self._tail += (line.rstrip() for line in text.splitlines() if line.strip() and not _CHATTER.match(line))

    async def close(self) -> None:
        if self._process is not None:
            self._end()
            await self._process.communicate()

    def _end(self) -> None:
        # `renode` may be a script: everything that it started goes too. A Renode that is asked to quit takes longer.
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
