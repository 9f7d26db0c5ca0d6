"""A program under test: started with its log read line by line, and ended without leftovers.

It leads a process group of its own. A shell in that group waits for the end of a pipe that only the harness holds: when
the harness ends, however that happens, the shell removes the program's folder and kills the group.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError, reason

__all__ = ["Program", "describe_end"]

LAST_LINES = 15
LINE_LIMIT = 4096
"""Bytes; a longer line is cut into several."""
ENDS_WITHIN = 10.0
"""Seconds for the system to end a killed process and close its pipes."""
_WATCHED = """
exec 3<&0 </dev/null
(read -r _ <&3; rm -rf -- "$1"; kill -KILL -$$) >/dev/null 2>&1 &
exec 3<&-
shift
exec "$@"
"""
"""Standard input is the pipe, ``$1`` the folder to remove; then comes the command."""


class Program:
    """A process and its output. ``where`` names it in messages; ``line`` gets each line of its output."""

    def __init__(self, where: str, clock: Clock, line: Callable[[str], object]) -> None:
        self._where, self._clock, self._line = where, clock, line
        self._process: subprocess.Popen[bytes] | None = None
        self._keep = -1
        self._output: _Output | None = None
        self._folder: Path | None = None
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._wanted: tuple[Callable[[str], object], asyncio.Future[str]] | None = None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Its exit code, negative for a signal, once it has ended and its output is read."""
        self.asked_to_end = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and not self.ended.done() else None

    async def start(
        self, command: Sequence[str], folder: Path, *, environment: Mapping[str, str], directory: Path
    ) -> None:
        """Start ``command`` in ``directory``. ``folder`` is the program's own, and is removed with it.

        Raises UsageError if there is no such program, RigError if the system does not start it.
        """
        found = shutil.which(command[0], path=environment.get("PATH")) if os.sep not in command[0] else command[0]
        program = directory / (found or command[0])
        if found is None or not program.is_file() or not os.access(program, os.X_OK):
            raise UsageError(
                f"there is no program {command[0]!r} that can be run from {directory}",
                where=self._where,
                do="name the path of an executable file, or one that is in PATH",
            )
        watched, self._keep = os.pipe()
        self._folder = folder
        try:
            self._process = process = subprocess.Popen(  # noqa: ASYNC220, it takes a millisecond
                ["/bin/sh", "-c", _WATCHED, "sh", str(folder), str(program), *command[1:]],
                stdin=watched,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        except OSError as error:
            self._forget()
            raise RigError(
                f"{program} cannot be started: {reason(error)}", where=self._where, do="see the limits (ulimit -a)"
            ) from error
        finally:
            os.close(watched)
        assert process.stdout is not None
        self._output = _Output(process.stdout.fileno(), self._received)
        exited = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(exited, self._exited, process, exited)

    def _exited(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        """The process has ended: read the rest of its output, and tell."""
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        code = process.wait()
        if self._output is not None:
            self._output.finish()
        if process.stdout is not None:
            process.stdout.close()
        self.ended.set_result(code)

    async def until_line(self, matches: Callable[[str], object]) -> str:
        """Wait for a line of which ``matches`` is true; returns it. A line that has come already is not seen."""
        line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._wanted = matches, line
        either: list[asyncio.Future[Any]] = [line, self.ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        self._wanted = None
        if not line.done():
            raise self.failure(f"ended at once, before it was ready: {describe_end(self.ended.result())}")
        return line.result()

    def on_own_end(self, ended: Callable[[str], object]) -> None:
        """Have ``ended`` called, with how, if it ends without having been asked to."""

        def tell(future: asyncio.Future[int]) -> None:
            if not self.asked_to_end:
                ended(describe_end(future.result()))

        self.ended.add_done_callback(tell)

    def failure(self, what: str, do: str = "see the end of its log") -> RigError:
        """An error about the program with the last lines of its output."""
        return RigError(f"{what}{self.last_lines()}", where=self._where, do=do)

    def last_lines(self) -> str:
        """The end of its output, beginning with a line feed."""
        lines = "".join(f"\n    {line}" for line in self._last)
        return f"; the end of its log:{lines or ' empty'}"

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None and not self.ended.done():
            self._process.send_signal(number)

    async def stop(self, number: int, within: float) -> bool:
        """Ask it to end by a signal, and kill it after ``within`` seconds. Returns whether it ended by itself."""
        self.asked_to_end = True
        self.signal(number)
        try:
            async with self._clock.deadline(within):
                await asyncio.shield(self.ended)
        except TimeoutError:
            await self.kill()
            return False
        await self.kill()
        return True

    async def kill(self) -> None:
        """Kill it and everything that it started, and remove its folder."""
        self.asked_to_end = True
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            try:
                async with self._clock.deadline(ENDS_WITHIN):
                    await asyncio.shield(self.ended)
            except TimeoutError:
                raise RigError(f"process {self._process.pid} does not end", where=self._where, do="end it") from None
            finally:
                self._forget()
        self._forget()

    def _forget(self) -> None:
        if self._keep >= 0:
            os.close(self._keep)
            self._keep = -1
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _received(self, line: str) -> None:
        self._last.append(line)
        self._line(line)
        if self._wanted is not None and not self._wanted[1].done() and self._wanted[0](line):
            self._wanted[1].set_result(line)


class _Output:
    """Reads a program's output, and cuts it into lines."""

    def __init__(self, descriptor: int, line: Callable[[str], object]) -> None:
        self._descriptor, self._line = descriptor, line
        self._rest = b""
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def finish(self) -> None:
        """Read what is there, and no more."""
        while self._read():
            pass
        asyncio.get_running_loop().remove_reader(self._descriptor)
        if self._rest:
            self._put(self._rest)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, 65_536)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._put(line)
        while len(self._rest) > LINE_LIMIT:
            self._put(self._rest[:LINE_LIMIT])
            self._rest = self._rest[LINE_LIMIT:]
        return True

    def _put(self, line: bytes) -> None:
        for begin in range(0, max(1, len(line)), LINE_LIMIT):
            self._line(line[begin : begin + LINE_LIMIT].decode("utf-8", "replace").rstrip("\r"))


def describe_end(code: int) -> str:
    """How a process ended, from its exit code."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
