"""Places the columns of a picture as close as their heads and the texts between them allow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from harness.sequences.canvas import CHARACTER
from harness.sequences.tree import Arrow, Diagram, Note, Participant, plain, walk

__all__ = [
    "INSET",
    "MARGIN",
    "SELF",
    "ArrowMark",
    "Column",
    "arrow_lines",
    "badge_width",
    "box_label",
    "columns",
    "text_width",
    "wrapped",
]

MARGIN, SELF, INSET = 24.0, 34.0, 9.0
"""Pixels: the margin of a picture, the width of an arrow to itself, and the inset of an inner fragment."""

_WIDEST = 36
_GAP = 26.0


@dataclass(frozen=True, slots=True)
class ArrowMark:
    """An arrow's highlight: ``bad``, ``hint``, or ``unreached``; ``badge`` is the reason; a ghost was never seen."""

    style: str
    badge: str = ""
    ghost: bool = False


@dataclass
class Column:
    participant: Participant
    lines: list[str]
    x: float = 0.0
    start: float = 0.0
    end: float | None = None
    active: list[float] = field(default_factory=list)

    @property
    def width(self) -> float:
        return max(len(line) for line in self.lines) * CHARACTER + 24


def columns(diagram: Diagram, marks: Mapping[int, ArrowMark]) -> tuple[dict[str, Column], float]:
    """The column of each participant, and the total width."""
    found = {item.name: Column(item, plain(item.title)) for item in diagram.participants}
    placed = list(found.values())
    if not placed:
        return found, 2 * MARGIN
    gaps = [(one.width + other.width) / 2 + _GAP for one, other in pairwise(placed)]
    outer = 0.0
    for first, last, width in sorted(_needs(diagram, marks, list(found)), key=_span):
        if last == len(placed):
            outer = max(outer, width - placed[-1].width / 2)
        elif (lack := width - sum(gaps[first:last])) > 0:
            for gap in range(first, last):
                gaps[gap] += lack / (last - first)
    depth = max((depth for depth, _ in diagram.fragments), default=-1) + 1
    margin = MARGIN + depth * INSET
    placed[0].x = margin + placed[0].width / 2
    for index, distance in enumerate(gaps):
        placed[index + 1].x = placed[index].x + distance
    return found, placed[-1].x + placed[-1].width / 2 + outer + margin


def _needs(diagram: Diagram, marks: Mapping[int, ArrowMark], order: list[str]) -> Iterator[tuple[int, int, float]]:
    """Pairs of columns and their minimum distance; one past the last column stands for the right edge."""
    position, places = 0, {name: place for place, name in enumerate(order)}
    for _, item, _ in walk(diagram.items):
        if isinstance(item, Arrow):
            mark = marks.get(position)
            position += 1
            width = text_width(arrow_lines(item.text)) + badge_width(mark) + 30
            one, other = sorted((places[item.source], places[item.target]))
            yield (one, one + 1, width + SELF) if one == other else (one, other, width)
        elif isinstance(item, Note):
            columns = sorted(places[name] for name in item.participants)
            width = text_width(wrapped(item.text)) + 30
            if len(columns) == 2 and columns[0] != columns[1]:
                yield columns[0], columns[1], width - 60
            elif item.placement == "over":
                half = width / 2 + 10
                yield columns[0], columns[0] + 1, half
                if columns[0]:
                    yield columns[0] - 1, columns[0], half
            elif item.placement == "right of":
                yield columns[0], columns[0] + 1, width + 20
            elif columns[0]:
                yield columns[0] - 1, columns[0], width + 20


def badge_width(mark: ArrowMark | None) -> float:
    return (len(mark.badge) + 2) * 6.7 + 6 if mark and mark.badge else 0.0


def _span(need: tuple[int, int, float]) -> int:
    return need[1] - need[0]


def arrow_lines(text: str) -> list[str]:
    """The lines of an arrow's text: the conditions in parentheses go below the event's name."""
    first, *others = plain(text)
    name, bracket, conditions = first.partition(" (")
    if bracket and len(first) > 24:
        others = [f"({conditions}", *others]
        first = name
    return [line for part in (first, *others) for line in _wrap(part)]


def wrapped(text: str) -> list[str]:
    return [line for part in plain(text) for line in _wrap(part)]


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDEST, break_on_hyphens=False) or [""]


def text_width(lines: list[str]) -> float:
    return max((len(line) for line in lines), default=0) * CHARACTER


def box_label(label: str) -> str:
    """A box's text without a colour at its start."""
    first, _, rest = label.strip().partition(" ")
    if first.lower().startswith(("rgb", "hsl")):
        return label[label.find(")") + 1 :].strip()
    return rest.strip() if rest and first.lower() in _COLOURS else label.strip()


_COLOURS = frozenset(
    {"transparent", "aqua", "purple", "green", "red", "blue", "grey", "gray", "lightblue", "lightgreen", "yellow"}
)
