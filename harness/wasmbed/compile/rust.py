"""Rust without its standard library, compiled by rustc.

The library of the target and the crate of the host interface are made once (:mod:`.rust_library`), so that a
compilation is one run of rustc.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.wasmbed.compile.compiler import MODULE, STACK, Outcome, outcome
from harness.wasmbed.compile.results import Diagnostic, Level, Source
from harness.wasmbed.compile.rust_library import CRATE, OPTIONS, Toolchain, find_toolchain
from harness.wasmbed.compile.sandbox import Sandbox

__all__ = ["Rust", "read_messages"]

_HINTS = {
    "can't find crate for `std`": "begin the file with #![no_std]",
    "`#[panic_handler]` function required": f"use {CRATE}, which has one: use {CRATE}::log;",
}
"""Suggestions for what rustc explains for other targets."""


class Rust:
    """The compiler, made ready when it is first needed."""

    def __init__(self) -> None:
        self._ready: asyncio.Task[Toolchain] | None = None

    async def version(self) -> str:
        """Return its name and version; the first time, make it ready. Raises :class:`CannotCompile`."""
        return (await self._toolchain()).version

    async def compile(self, source: Source, folder: Path, sandbox: Sandbox, *, untrusted: bool) -> Outcome:
        """Compile a file. Raises :class:`CannotCompile`."""
        toolchain = await self._toolchain()
        await asyncio.to_thread((folder / source.file).write_text, source.text, "utf-8")
        command = [
            str(toolchain.rustc), "--crate-name=app", "--crate-type=cdylib", *OPTIONS, *toolchain.options, "-Clto=fat",
            f"-Clink-arg=-zstack-size={STACK}", f"--extern={CRATE}={toolchain.library}", "--error-format=json",
            source.file, "-o", MODULE,
        ]  # fmt: skip
        ended = await sandbox.run(command, folder, toolchain.reads, untrusted=untrusted)
        diagnostics, shown = read_messages(ended.output.decode("utf-8", "replace"))
        return outcome(ended, folder, diagnostics, shown, source.file)

    async def _toolchain(self) -> Toolchain:
        if self._ready is None or (self._ready.done() and (self._ready.cancelled() or self._ready.exception())):
            self._ready = asyncio.create_task(find_toolchain())
        return await asyncio.shield(self._ready)


def read_messages(said: str) -> tuple[list[Diagnostic], str]:
    """Return the diagnostics in rustc's output, and the same as rustc shows them to people."""
    found, shown = [], ""
    for line in said.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            shown += line + "\n"
            continue
        shown += message.get("rendered") or ""
        if (message.get("level") in tuple(Level) and message.get("spans")) or _is_whole(message):
            found.append(_diagnostic(message))
    return found, shown


def _is_whole(message: dict[str, Any]) -> bool:
    """Whether it is about the whole file, and not a count of the others."""
    return message.get("level") == "error" and not str(message.get("message")).startswith("aborting due to")


def _diagnostic(message: dict[str, Any]) -> Diagnostic:
    primary: dict[str, Any] = next((span for span in message["spans"] if span["is_primary"]), {})
    text = str(message["message"])
    hint = next((hint for start, hint in _HINTS.items() if text.startswith(start)), None)
    return Diagnostic(
        Level(message["level"]),
        text,
        primary.get("file_name"),
        primary.get("line_start"),
        primary.get("column_start"),
        (message.get("code") or {}).get("code"),
        hint or _suggestion(message["children"]),
    )


def _suggestion(children: Iterable[dict[str, Any]]) -> str | None:
    """Return rustc's first help, with the text that it would write."""
    for child in children:
        if child["level"] == "help":
            texts = [span["suggested_replacement"] for span in child["spans"] if span["suggested_replacement"]]
            return f"{child['message']}: {', '.join(texts)}" if texts else str(child["message"])
    return None
