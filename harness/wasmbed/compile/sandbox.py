"""Runs compilers where they can do no harm: without network, with a read-only system, and within bounds.

A compiler does not run the code that it compiles, but it reads files (Rust's ``include_bytes!``, C's ``#include``) and
can be made to take time, memory and disk. bubblewrap gives it namespaces of its own, in which there are only the
programs that it needs; util-linux's prlimit bounds what it uses. Some containers forbid the namespaces, so only a trial
shows whether there is a sandbox.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.core.clock import Clock
from harness.wasmbed.compile.results import CannotCompile

__all__ = ["Bounds", "Ended", "Sandbox"]

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/lib32")
_INSTALL = "install bubblewrap (Debian: apt-get install bubblewrap), and allow user namespaces where it runs"
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one compilation may use: seconds of processor and clock, and bytes.

    ``processes`` counts threads too; it holds only inside of the sandbox, since outside it would count all of a user's.
    """

    processor: int = 30
    seconds: float = 60.0
    memory: int = 2 << 30
    file: int = 16 << 20
    output: int = 256 << 10
    processes: int = 128


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. ``broken`` is the bound that ended it, for people; then ``output`` may be cut off."""

    code: int
    output: bytes
    broken: str | None = None


class Sandbox:
    """Runs programs, in bubblewrap if that works here."""

    def __init__(self, clock: Clock, bounds: Bounds | None = None) -> None:
        self._clock, self.bounds = clock, bounds or Bounds()
        self._objection: asyncio.Task[str | None] | None = None

    async def objection(self) -> str | None:
        """Return why programs would run unprotected here; None if bubblewrap works. It is tried once."""
        if self._objection is None:
            self._objection = asyncio.create_task(self._try())
        return await asyncio.shield(self._objection)

    async def run(self, command: Sequence[str], folder: Path, reads: Sequence[Path] = (), *, untrusted: bool) -> Ended:
        """Run ``command`` in ``folder``, which it may write. ``reads`` are further folders that it needs.

        Raises :class:`CannotCompile` if the code is ``untrusted`` and there is no sandbox.
        """
        objection = await self.objection()
        if objection is None:
            return await self._run([*_bubblewrap(folder, reads), *self._bounded(command, inside=True)], folder)
        if untrusted:
            raise CannotCompile(f"code of other people is not compiled without a sandbox: {objection}", do=_INSTALL)
        return await self._run(self._bounded(command, inside=False), folder)

    def _bounded(self, command: Sequence[str], *, inside: bool) -> list[str]:
        bounds = self.bounds
        # Memory is bounded as data: JavaScript engines reserve far more addresses than they use.
        limits = [f"--cpu={bounds.processor}", f"--data={bounds.memory}", f"--fsize={bounds.file}", "--core=0"]
        return [_program("prlimit"), *limits, *([f"--nproc={bounds.processes}"] if inside else []), "--", *command]

    async def _run(self, command: Sequence[str], folder: Path) -> Ended:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        output = bytearray()
        broken = None
        try:
            async with self._clock.deadline(self.bounds.seconds):
                while piece := await process.stdout.read(_CHUNK):
                    output += piece
                    if len(output) > self.bounds.output:
                        broken = f"the compiler wrote more than {self.bounds.output:,} bytes of messages"
                        break
                else:
                    await process.wait()
        except TimeoutError:
            broken = f"the compiler took longer than {self.bounds.seconds:g} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # The rest in the pipe: asyncio does not see the end of a process whose output nobody reads.
            while await process.stdout.read(_CHUNK):
                pass
            code = await process.wait()
        return Ended(code, bytes(output[: self.bounds.output]), broken or _broken_limit(code, self.bounds))

    async def _try(self) -> str | None:
        if shutil.which("bwrap") is None:
            return "bubblewrap (bwrap) is not installed"
        ended = await self._run([*_bubblewrap(Path("/usr"), ()), "/bin/true"], Path("/usr"))
        if ended.code == 0:
            return None
        said = " ".join(ended.output.decode("utf-8", "replace").split())
        return f"bubblewrap does not work here: {said or f'exit code {ended.code}'}"


def _bubblewrap(folder: Path, reads: Sequence[Path]) -> list[str]:
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"]
    for name in _SYSTEM:
        if os.path.islink(name):
            options += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            options += ["--ro-bind", name, name]
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for path in reads:
        options += ["--ro-bind", str(path), str(path)]
    return [_program("bwrap"), *options, "--bind", str(folder), "/source", "--chdir", "/source", "--"]


def _broken_limit(code: int, bounds: Bounds) -> str | None:
    """Return the limit whose signal ended the program, which a shell and bubblewrap report as 128 and more."""
    number = -code if code < 0 else code - 128
    if number == signal.SIGXCPU or number == signal.SIGKILL:
        return f"the compiler took longer than {bounds.processor} s of processor time, or was killed"
    if number == signal.SIGXFSZ:
        return f"the compiler wrote a file of more than {bounds.file:,} bytes"
    return None


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise CannotCompile(f"{name} is not installed", do="install util-linux and bubblewrap")
    return path
