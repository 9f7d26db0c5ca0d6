"""Output of the commands: escaped for the terminal, and a closed pipe ends a command quietly."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.core.errors import HarnessError, RigError, UsageError, reason
from harness.core.text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ["ReaderGone", "Stream", "cell", "console", "is_folded", "say", "show", "show_error", "write_file"]


ENDLESS = 100_000
"""Characters of a line that is not folded."""


class ReaderGone(Exception):
    """The reader of the output has closed its end, as ``head`` does."""


def say(text: str, *, err: bool = False, nl: bool = True, **style: Any) -> None:
    """Print ``text``, escaped, in the ``style`` of :func:`click.style`.

    Raises ReaderGone if the reader is gone, RigError if the output cannot be written (the disk is full).
    """
    shown = printable(text, lines=True)
    with _written():
        click.echo(click.style(shown, **style) if style else shown, err=err, nl=nl)


class Stream:
    """Prints a board's console piece by piece: UTF-8, with any line ends."""

    def __init__(self) -> None:
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)

    def write(self, data: bytes) -> None:
        """Print a piece. Raises as :func:`say` does."""
        say(self._decoder.decode(data), nl=False)


def show_error(error: HarnessError) -> None:
    """Print an error on stderr."""
    with _written():
        click.echo(f"{click.style('error', fg='red')}: {error}", err=True)


def console(*, stderr: bool = False) -> Console:
    """A console for tables; it raises ReaderGone as :func:`say` does."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise ReaderGone

    return Output(highlight=False, stderr=stderr, width=None if stderr or is_folded() else ENDLESS)


def is_folded() -> bool:
    """Whether lines are folded: on a terminal, or where ``COLUMNS`` says a width. Programs read whole lines."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def show(*renderables: RenderableType, **options: Any) -> None:
    """Print rich objects, in which text from outside is in :func:`cell` texts. Raises as :func:`say` does."""
    with _written():
        console().print(*renderables, **options)


def cell(text: str | None, style: str = "") -> Text:
    """A text for a table, escaped for the terminal and for rich."""
    from rich.text import Text

    return Text(printable(text or "", lines=True), style)


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        do = "free disk space, or write elsewhere"
        raise RigError(f"the output cannot be written: {reason(error)}", do=do) from error


def write_file(path: Path, text: str, option: str) -> None:
    """Write a file that ``option`` names. Raises UsageError if that fails."""
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        do = f"name another file with {option}"
        raise UsageError(f"cannot be written: {reason(error)}", where=str(path), do=do) from error
