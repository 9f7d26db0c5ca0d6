"""Tables of the commands: folded to the width of a terminal; in a file or a pipe one line a row, without colour."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.cli.output import cell, is_folded, say, show
from harness.core.text import printable

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["Cell", "Table"]

Cell = str | tuple[str, str] | None
"""A text, also with a style of rich, which is a colour."""
GAP = "  "


class Table:
    """Rows of texts from outside, which are escaped. rich can show it, too."""

    def __init__(self, *headings: str, right: Collection[str] = ()) -> None:
        """The columns with a heading in ``right`` are aligned to the right."""
        self.headings, self._right = headings, frozenset(right)
        self.rows: list[Sequence[Cell]] = []
        self._widths = [len(heading) for heading in headings]

    def add(self, *cells: Cell) -> None:
        """Add a row."""
        self.rows.append(cells)

    def show(self, nothing: str = "") -> None:
        """Print it, or ``nothing`` if it is empty."""
        if not self.rows:
            say(nothing)
        elif is_folded():
            show(self)
        else:
            for line in self.lines():
                say(line)

    def lines(self) -> Iterator[str]:
        """The headings and a line for each row."""
        texts = [[_text(each) for each in row] for row in self.rows]
        self._widths = [max(map(len, column)) for column in zip(self.headings, *texts, strict=True)]
        yield self._line(self.headings)
        yield from map(self._line, texts)

    def say_row(self, *cells: Cell) -> None:
        """Print a row that comes later than :meth:`lines`, in their columns, with colour on a terminal."""
        texts = self._padded([_text(each) for each in cells])
        while texts and not texts[-1].strip():
            texts.pop()
        for each, text in zip(cells, texts, strict=False):
            say(text, nl=False, fg=each[1] or None if isinstance(each, tuple) else None)
            say(GAP, nl=False)
        say("")

    def __rich__(self) -> RichTable:
        from rich.table import Table as RichTable

        table = RichTable(box=None, pad_edge=False)
        for heading in self.headings:
            table.add_column(heading, overflow="fold", justify="right" if heading in self._right else "left")
        for row in self.rows:
            table.add_row(*(cell(*each) if isinstance(each, tuple) else cell(each) for each in row))
        return table

    def _line(self, texts: Sequence[str]) -> str:
        return GAP.join(self._padded(texts)).rstrip()

    def _padded(self, texts: Sequence[str]) -> list[str]:
        columns = zip(self.headings, self._widths, texts, strict=True)
        return [text.rjust(width) if heading in self._right else text.ljust(width) for heading, width, text in columns]


def _text(each: Cell) -> str:
    return printable((each[0] if isinstance(each, tuple) else each) or "")
