"""Asks programs of this computer, whose answers are trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from harness.wasmbed.compile.results import CannotCompile

__all__ = ["answer", "version_of"]

_versions: dict[tuple[Path, float], str] = {}
"""Versions by program and the time of its file: another compiler under the same name is asked again."""


async def answer(
    program: Path, *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> str:
    """Return what it writes. Raises :class:`CannotCompile` with its complaint if it fails."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=cwd,
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        reason = complaint.decode("utf-8", "replace").strip() or f"exit code {process.returncode}"
        raise CannotCompile(f"{program} {' '.join(arguments)} failed: {reason}", do="see its message")
    return said.decode("utf-8", "replace").strip()


async def version_of(program: Path) -> str:
    """Return the first line of its version. Raises :class:`CannotCompile`."""
    key = program, (await asyncio.to_thread(program.stat)).st_mtime
    if key not in _versions:
        _versions[key] = (await answer(program, "--version")).partition("\n")[0]
    return _versions[key]
