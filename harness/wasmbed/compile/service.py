"""Compilations for several users: bounded, fair, and each source text once.

A result is kept by what it depends on: the source text, its language and file name, and the compiler's version (options
belong to this program's version, whose process the results do not outlive).
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.clock import Clock
from harness.wasmbed.compile.assemblyscript import AssemblyScript
from harness.wasmbed.compile.clang import Clang
from harness.wasmbed.compile.compiler import Compiler, Outcome
from harness.wasmbed.compile.results import Compiled, Diagnostic, Language, Level, Source
from harness.wasmbed.compile.rust import Rust
from harness.wasmbed.compile.sandbox import Bounds, Sandbox
from harness.wasmbed.compile.text_format import TextFormat
from harness.wasmbed.compile.turns import Turns
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.runtime.declarations import read_declarations
from harness.wasmbed.runtime.validation import InvalidModule, validate

__all__ = ["CompileService", "CompileSettings"]

_ANY = Limits(memory=1 << 32, fuel=1, wall_time=1)
"""The limits of no board: which boards can hold a module is another question."""
_OVERHEAD = 1024
"""Bytes of a kept result, beside its texts and its module."""
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompileSettings:
    """``jobs`` at a time, ``waiting`` behind them, ``own`` of one user; ``kept`` bytes of results."""

    jobs: int = 2
    waiting: int = 32
    own: int = 8
    kept: int = 64 << 20
    bounds: Bounds = field(default_factory=Bounds)


class CompileService:
    """Compiles until :meth:`close`."""

    def __init__(
        self, settings: CompileSettings, clock: Clock, compilers: Mapping[Language, Compiler] | None = None
    ) -> None:
        self._sandbox = Sandbox(clock, settings.bounds)
        self._turns = Turns(settings.jobs, settings.waiting, settings.own)
        self._compilers = compilers or {
            Language.RUST: Rust(),
            Language.C: Clang(),
            Language.ASSEMBLYSCRIPT: AssemblyScript(),
            Language.WAT: TextFormat(),
        }
        self._results = _Results(settings.kept)
        self._running: dict[Key, asyncio.Task[Compiled]] = {}

    async def compile(self, source: Source, user: str = "", *, untrusted: bool = True) -> Compiled:
        """Compile ``source``; a request for the same text as one under way waits for that one's result.

        Raises :class:`QueueFull`, and :class:`CannotCompile` if a compiler or the sandbox for ``untrusted`` code is
        missing.
        """
        version = await self._compilers[source.language].version()
        digest = hashlib.sha256(source.text.encode("utf-8", "surrogatepass")).hexdigest()
        key = (digest, source.language, source.file, version, str(untrusted))
        if (known := self._results.get(key)) is not None:
            return known
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._run(key, source, version, user, untrusted=untrusted))
            task.add_done_callback(lambda done: self._ended(key, done))
        # Others may wait for it, too, so it goes on when this request is cancelled.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End the compilations under way."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, key: Key, task: asyncio.Task[Compiled]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # those who asked have it, or have gone

    async def _run(self, key: Key, source: Source, version: str, user: str, *, untrusted: bool) -> Compiled:
        async with self._turns.turn(user):
            with tempfile.TemporaryDirectory(prefix="wasmbed-compile-") as folder:
                compiler = self._compilers[source.language]
                found = await compiler.compile(source, Path(folder), self._sandbox, untrusted=untrusted)
            compiled = await asyncio.to_thread(_examined, source, version, found)
        if found.lasting:
            self._results.put(key, compiled)
        return compiled


class _Results:
    """The results that were used last, within a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._results: OrderedDict[Key, Compiled] = OrderedDict()

    def get(self, key: Key) -> Compiled | None:
        found = self._results.get(key)
        if found is not None:
            self._results.move_to_end(key)
        return found

    def put(self, key: Key, compiled: Compiled) -> None:
        self._results[key] = compiled
        self._size += _size(compiled)
        while self._size > self._most:
            self._size -= _size(self._results.popitem(last=False)[1])


def _size(compiled: Compiled) -> int:
    return _OVERHEAD + len(compiled.source.text) + len(compiled.module or b"") + 2 * len(compiled.output)


def _examined(source: Source, version: str, found: Outcome) -> Compiled:
    """Return the result; a module that no device can run is an error of the code."""
    diagnostics = found.diagnostics
    if found.module is not None:
        try:
            info = validate(found.module, _ANY)
            exports = tuple(read_declarations(found.module).exports)
            return Compiled(source, version, found.module, info, exports, diagnostics, found.output)
        except InvalidModule as error:
            message = f"the module cannot run on a device: {error}"
            diagnostics = (*diagnostics, Diagnostic(Level.ERROR, message, source.file))
            shown = f"{found.output}error: {source.file}: {message}\n"
            return Compiled(source, version, None, None, (), diagnostics, shown)
    return Compiled(source, version, None, None, (), diagnostics, found.output)
