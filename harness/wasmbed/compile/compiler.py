"""The contract of a compiler, and the parts that all of them share."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.wasmbed.compile.results import CannotCompile, Diagnostic, Level, Source
from harness.wasmbed.compile.sandbox import Ended, Sandbox

__all__ = ["GUEST", "MODULE", "STACK", "Compiler", "Outcome", "cache_folder", "need", "outcome"]

GUEST = Path(__file__).with_name("guest")
"""The host interface for C and AssemblyScript."""
MODULE = "module.wasm"
"""The file that compilers write."""
STACK = 16_384
"""Bytes of stack in the linear memory, so that a small application needs one page."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one run. One that depends on a bound is not ``lasting``: another time it may be another."""

    module: bytes | None
    diagnostics: tuple[Diagnostic, ...]
    output: str
    lasting: bool = True


class Compiler(Protocol):
    """A compiler of one language."""

    async def version(self) -> str:
        """Return its name and version. Raises :class:`CannotCompile` if it is missing."""

    async def compile(self, source: Source, folder: Path, sandbox: Sandbox, *, untrusted: bool) -> Outcome:
        """Compile ``source`` in the empty ``folder``. Raises :class:`CannotCompile` if that is impossible here."""


def outcome(ended: Ended, folder: Path, diagnostics: list[Diagnostic], output: str, file: str) -> Outcome:
    """Return the outcome of a compiler that ran in ``folder``."""
    if ended.broken is not None:
        return Outcome(None, (*diagnostics, Diagnostic(Level.ERROR, ended.broken, file)), output, lasting=False)
    written = folder / MODULE
    if ended.code == 0 and written.is_file():
        return Outcome(written.read_bytes(), tuple(diagnostics), output)
    if not any(each.level is Level.ERROR for each in diagnostics):
        said = output.strip() or f"the compiler ended with {ended.code} and said nothing"
        diagnostics = [*diagnostics, Diagnostic(Level.ERROR, said.splitlines()[-1], file)]
        # The compiler named nothing in the code, so the next try may succeed.
        return Outcome(None, tuple(diagnostics), output, lasting=False)
    return Outcome(None, tuple(diagnostics), output)


def cache_folder() -> Path:
    """Return the folder for what compilers need and is made once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmbed" / "compile"


def need(program: str, package: str) -> Path:
    """Return the path of ``program``. Raises :class:`CannotCompile`."""
    path = shutil.which(program)
    if path is None:
        raise CannotCompile(f"{program} is not installed", do=f"apt-get install {package}")
    return Path(path)
