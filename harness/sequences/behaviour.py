"""Turns the tree of a diagram into the behaviour it requires: bound arrows, time limits, and blocks.

References are expanded. Two kinds of note have a meaning; all others are remarks:

- ``Note over Gateway: within 5s`` limits the time from the arrow before it to the arrow after it, in its own flow;
- ``Note over Device,Gateway: ref device-enrollment`` stands for that whole sequence (UML's interaction use).

The number of turns of a ``loop`` is in parentheses at the end of its text: ``(3)``, ``(1..*)``, ``(0..5)``. Without it,
the loop may turn any number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import UsageError
from harness.sequences.bindings import PARTICIPANTS, EventType, bind
from harness.sequences.labels import Label, duration, read_label
from harness.sequences.reduction import Reduction
from harness.sequences.tree import Arrow, Diagram, Fragment, Item, Note, Section, plain

__all__ = ["Behaviour", "Block", "BoundArrow", "Expansion", "Limit", "expand"]

DEEPEST, LARGEST = 60, 50_000
"""The most levels of nested fragments, and the most arrows and references in total, that can be judged."""

_ONE_WAY = frozenset({"->", "-->", "->>", "-->>", "-)", "--)", "-|\\", "-|/", "--|\\", "--|/", "-\\\\", "-//"})
_WITHIN = re.compile(r"within\b\s*(.*)", re.IGNORECASE)
_REF = re.compile(r"ref\s+(\S+)", re.IGNORECASE)
_BOUNDS = re.compile(r"\(([^()]*)\)\s*$")
_RANGE = re.compile(r"(\d+)(?:\s*\.\.\s*(\d+|\*))?")


@dataclass(frozen=True, slots=True)
class BoundArrow:
    """An arrow and its event. ``origin`` names the sequence in which it is written, ``file`` that sequence's file."""

    position: int
    arrow: Arrow
    event: EventType
    label: Label
    origin: str
    file: str
    fragments: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """File and line, from the working directory if the file is below it."""
        file, here = Path(self.file), Path.cwd()
        return f"{file.relative_to(here) if file.is_relative_to(here) else file}:{self.arrow.line}"

    def __str__(self) -> str:
        return f"{self.arrow.source}->>{self.arrow.target}: {self.label}"


@dataclass(frozen=True, slots=True)
class Limit:
    """The next arrow must come within ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Block:
    """A fragment with a meaning; ``least`` and ``most`` are a loop's bounds."""

    kind: str
    sections: tuple[tuple[Behaviour, ...], ...]
    least: int = 0
    most: int | None = None


Behaviour = BoundArrow | Limit | Block


def expand(
    diagram: Diagram,
    name: str,
    file: str,
    refer: Callable[[str, str], tuple[Diagram, str, str]],
    reduction: Reduction | None = None,
) -> Expansion:
    """Bind each arrow of ``diagram``, and expand its references.

    ``refer(name, where)`` finds a referenced diagram: the diagram, its name, and its file. ``reduction`` leaves out
    what a system lacks. Raises UsageError with the file and line of an error.
    """
    expansion = Expansion(refer, reduction)
    items, behaviour = expansion.expand(diagram.items, _Place(name, file, (file,), ()))
    expansion.diagram = replace(diagram, items=tuple(items))
    expansion.behaviour = tuple(behaviour)
    if not expansion.arrows and reduction is not None:
        raise UsageError(
            f"the sequence {name} is about what the system under test does not have",
            where="system.toml",
            do='mark the test with @pytest.mark.requires("device-phases"), so that it is left out',
        )
    if not expansion.arrows:
        raise UsageError("the diagram has no arrow to judge", where=file, do="add the expected messages")
    return expansion


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    file: str
    chain: tuple[str, ...]
    fragments: tuple[str, ...]

    def inside(self, kind: str) -> _Place:
        return replace(self, fragments=(*self.fragments, kind))


class Expansion:
    """The result for a diagram: the diagram with its references expanded, its arrows by position, and its behaviour."""

    diagram: Diagram
    behaviour: tuple[Behaviour, ...]

    def __init__(
        self, refer: Callable[[str, str], tuple[Diagram, str, str]], reduction: Reduction | None = None
    ) -> None:
        self._refer, self._reduction = refer, reduction
        self._left_out = 0
        self._size = 0
        self.arrows: list[BoundArrow] = []

    def expand(self, items: Sequence[Item], place: _Place) -> tuple[list[Item], list[Behaviour]]:
        kept: list[Item] = []
        behaviour: list[Behaviour] = []
        for written in items:
            left_out = self._left_out
            item = self._reduced(written, place)
            found: Behaviour | None = None
            match item:
                case None:
                    pass
                case Arrow():
                    found = self._bind(item, place)
                case Note():
                    text = plain(item.text)[0]
                    where = f"{place.file}:{item.line}"
                    if ref := _REF.fullmatch(text):
                        item, inside = self._referred(ref[1], where, place)
                        found = Block("ref", (inside,))
                    elif limit := _WITHIN.match(text):
                        found = self._limit(limit[1], where)
                case Fragment():
                    item, found = self._fragment(item, place)
                case _:
                    pass
            if item is not None:
                kept.append(item)
            if self._left_out > left_out and behaviour and isinstance(behaviour[-1], Limit):
                behaviour.pop()  # the arrow that it was about may be gone
            if found is not None:
                behaviour.append(found)
        if behaviour and isinstance(behaviour[-1], Limit):
            raise UsageError(
                "a time limit has no arrow after it",
                where=f"{place.file}:{items[-1].line}",
                do="put the note between the two arrows that it is about",
            )
        return kept, behaviour

    def _reduced(self, item: Item, place: _Place) -> Item | None:
        """The item as the system under test has it; None if it is left out."""
        if self._reduction is None or not isinstance(item, Arrow):
            return item
        event, label = bind(item.source, item.target, read_label(item.text))
        kept, repeated = self._reduction.reduced(event, label)
        if kept == label:
            return item
        if kept is None:
            self._left_out += 1
            return None
        arrow = replace(item, text=str(kept))
        if not repeated:
            return arrow
        self._left_out += 1
        return Fragment("loop", (Section("Without a phase that the system lacks", (arrow,), item.line),))

    def _bind(self, arrow: Arrow, place: _Place) -> BoundArrow:
        where = f"{place.file}:{arrow.line}"
        if arrow.form not in _ONE_WAY:
            raise UsageError(
                f"an arrow {arrow.form} has no clear direction, or does not arrive",
                where=f"{where}:{arrow.column}",
                do="write ->> or -->> from the sender to the receiver",
            )
        known = {arrow.source, arrow.target} <= PARTICIPANTS.keys()
        try:
            event, label = bind(arrow.source, arrow.target, read_label(arrow.text))
        except UsageError as error:
            where = f"{where}:{arrow.text_column if known else arrow.column}"
            raise UsageError(error.what, where=where, do=error.do) from None
        self._count(where)
        bound = BoundArrow(len(self.arrows), arrow, event, label, place.name, place.file, place.fragments)
        self.arrows.append(bound)
        return bound

    def _limit(self, text: str, where: str) -> Limit:
        milliseconds = duration(text)
        if milliseconds is None:
            raise UsageError(
                f"invalid time limit 'within {text}'", where=where, do="write it as within 5s or within 500ms"
            )
        if not self.arrows and self._reduction is None:
            raise UsageError(
                "a time limit before the first arrow measures nothing", where=where, do="put it after the first arrow"
            )
        return Limit(milliseconds / 1000)

    def _referred(self, name: str, where: str, place: _Place) -> tuple[Fragment, tuple[Behaviour, ...]]:
        self._check_depth(place, where)
        self._count(where)
        diagram, found, file = self._refer(name, where)
        if file in place.chain:
            names = [*(link.rsplit("/", 1)[-1].removesuffix(".mmd") for link in place.chain), name]
            raise UsageError(
                f"the sequences refer to each other in a circle: {' -> '.join(names)}",
                where=where,
                do="remove one of the references",
            )
        inner = _Place(found, file, (*place.chain, file), place.inside("ref").fragments)
        items, behaviour = self.expand(diagram.items, inner)
        return Fragment("ref", (Section(found, tuple(items)),)), tuple(behaviour)

    def _fragment(self, fragment: Fragment, place: _Place) -> tuple[Fragment, Block]:
        where = f"{place.file}:{fragment.line}"
        self._check_depth(place, where)
        sections, inside = [], []
        for section in fragment.sections:
            items, behaviour = self.expand(section.items, place.inside(fragment.kind))
            sections.append(replace(section, items=tuple(items)))
            inside.append(tuple(behaviour))
        least, most = _bounds(fragment.sections[0].label, where) if fragment.kind == "loop" else (0, None)
        return Fragment(fragment.kind, tuple(sections)), Block(fragment.kind, tuple(inside), least, most)

    def _check_depth(self, place: _Place, where: str) -> None:
        if len(place.fragments) >= DEEPEST:
            raise UsageError(
                f"fragments and references are nested more than {DEEPEST} deep",
                where=where,
                do="move some of them to separate sequences",
            )

    def _count(self, where: str) -> None:
        self._size += 1
        if self._size > LARGEST:
            raise UsageError(
                f"the diagram has more than {LARGEST} arrows, including those of its references",
                where=where,
                do="use fewer references, or a loop for repetitions",
            )


def _bounds(label: str, where: str) -> tuple[int, int | None]:
    found = _BOUNDS.search(plain(label)[0])
    if not found:
        return 0, None
    bounds = _RANGE.fullmatch(found[1].strip())
    least = int(bounds[1]) if bounds else 0
    most = least if bounds and bounds[2] is None else None if not bounds or bounds[2] == "*" else int(bounds[2])
    if not bounds or (most is not None and (most < least or most == 0)):
        raise UsageError(
            f"invalid number of turns of a loop: ({found[1]})",
            where=where,
            do="write (3), (1..*) or (0..5); a remark in parentheses cannot end the text",
        )
    return least, most
