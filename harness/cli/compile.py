"""``wasmbed compile``: a module from source text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous
from harness.cli.output import say
from harness.core.errors import UsageError, reason, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.wasmbed.compile.results import BoardRoom, Compiled, Language

__all__ = ["build", "compile", "compile_file"]

_LANGUAGES = ("rust", "c", "assemblyscript", "wat")
_LARGEST = 1 << 20
"""Bytes of a source text."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), help="The module.  [default: FILE with .wasm]")
@click.option("--language", type=click.Choice(_LANGUAGES), help="Its language.  [default: by its suffix]")
@click.option("--target-board", metavar="KIND", help="A kind of board that has to hold the module.")
@asynchronous
async def compile(file: Path, output: Path | None, language: str | None, target_board: str | None) -> int:
    """Compile FILE (.rs, .c, .ts or .wat) to a WebAssembly module for devices.

    The compiler's messages go to standard error. Code that does not compile, and a module that --target-board cannot
    hold, are errors (exit code 2).
    """
    from harness.boards.room import board_rooms

    rooms = board_rooms()
    target = _find(target_board, rooms)
    compiled = await compile_file(file, language)
    assert compiled.module is not None
    assert compiled.info is not None
    if target is not None and (objection := target.objection(compiled.info)) is not None:
        raise UsageError(objection, where=str(file), do=f"boards that can hold it: {_fits(compiled, rooms)}")
    written = output or file.with_suffix(".wasm")
    try:
        written.write_bytes(compiled.module)
    except OSError as error:
        do = "name another file with --output"
        raise UsageError(f"cannot be written: {reason(error)}", where=str(written), do=do) from error
    _show(written, compiled, rooms)
    return 0


build = compile


async def compile_file(file: Path, language: str | None = None) -> Compiled:
    """Compile a source text of this user's, and show the compiler's messages. The result has a module.

    Raises UsageError if the file cannot be read or does not compile, RigError without a compiler.
    """
    from harness.core.clock import SystemClock
    from harness.wasmbed.compile.results import Source
    from harness.wasmbed.compile.service import CompileService, CompileSettings

    chosen = _language(file, language)
    source = Source(_read(file), chosen, _name(file, chosen))
    compiled = await CompileService(CompileSettings(), SystemClock()).compile(source, untrusted=False)
    if compiled.output:
        say(compiled.output, err=True, nl=False)
    if compiled.module is None or compiled.info is None:
        raise UsageError("does not compile", where=str(file), do="correct what the compiler names above")
    return compiled


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise UsageError(f"has more than {_LARGEST:,} bytes", where=str(file), do="name a source text")
        return text.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = f"cannot be read: {reason(error)}"
        raise UsageError(what, where=str(file), do="name a source text in UTF-8") from error


def _language(file: Path, given: str | None) -> Language:
    from harness.wasmbed.compile.results import Language

    found = Language(given) if given else Language.of_file(file.name)
    if found is None:
        raise UsageError("has an unknown suffix", where=str(file), do=f"add --language: {', '.join(_LANGUAGES)}")
    return found


def _name(file: Path, language: Language) -> str:
    """Return its name for the compiler, which would take a dash for an option, and the language from the suffix."""
    known = file.suffix == language.suffix and not file.name.startswith("-")
    return file.name if known else f"main{language.suffix}"


def _find(kind: str | None, rooms: Sequence[BoardRoom]) -> BoardRoom | None:
    found = next((room for room in rooms if room.kind == kind), None)
    if kind is not None and found is None:
        kinds = [room.kind for room in rooms]
        do = f"{suggestion(kind, kinds)}the kinds are {', '.join(kinds)}"
        raise UsageError(f"there are no boards of kind {kind!r}", where="--target-board", do=do)
    return found


def _fits(compiled: Compiled, rooms: Sequence[BoardRoom]) -> str:
    return ", ".join(compiled.boards(rooms)) or "no board"


def _show(written: Path, compiled: Compiled, rooms: Sequence[BoardRoom]) -> None:
    info = compiled.info
    assert info is not None, "it compiled"
    say("compiled", fg="green", nl=False)
    say(f"  {written}  {info.size:,} bytes, {compiled.compiler}")
    say(f"  sha256   {info.sha256.hex()}")
    say(f"  imports  {', '.join(info.imports) or 'none'}")
    say(f"  exports  {', '.join(compiled.exports)}")
    say(f"  memory   {info.memory_minimum:,} bytes")
    say(f"  boards   {_fits(compiled, rooms)}")
