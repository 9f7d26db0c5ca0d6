"""WebAssembly's text format, assembled by wasmtime.

It runs in this process: its parser is memory-safe and takes time in proportion to the text, which is bounded.
"""

from __future__ import annotations

import asyncio
import re
from importlib.metadata import version
from pathlib import Path

import wasmtime

from harness.wasmbed.compile.compiler import Outcome
from harness.wasmbed.compile.results import Diagnostic, Level, Source
from harness.wasmbed.compile.sandbox import Sandbox

__all__ = ["TextFormat"]

_PLACE = re.compile(r"--> <anon>:(\d+):(\d+)")


class TextFormat:
    """The assembler."""

    async def version(self) -> str:
        """Return its name and version."""
        return f"wasmtime {version('wasmtime')}"

    async def compile(self, source: Source, folder: Path, sandbox: Sandbox, *, untrusted: bool) -> Outcome:
        """Assemble a text."""
        try:
            module = await asyncio.to_thread(wasmtime.wat2wasm, source.text)
        except wasmtime.WasmtimeError as error:
            said = str(error)
            found = _PLACE.search(said)
            line, column = (int(found[1]), int(found[2])) if found else (None, None)
            wrong = Diagnostic(Level.ERROR, said.splitlines()[0], source.file, line, column)
            return Outcome(None, (wrong,), "error: " + said.replace("<anon>", source.file) + "\n")
        return Outcome(bytes(module), (), "")
