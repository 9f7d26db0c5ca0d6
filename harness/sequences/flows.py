"""Executable sequences: found by name, read, bound, and ready to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from harness.core.data_files import data_folder
from harness.core.errors import UsageError
from harness.core.files import read_text
from harness.sequences.behaviour import BoundArrow, expand
from harness.sequences.bindings import EventType, Subject
from harness.sequences.compiler import Automaton, compile_behaviour
from harness.sequences.labels import Condition
from harness.sequences.matcher import Matcher
from harness.sequences.reader import parse
from harness.sequences.tree import Diagram

__all__ = ["Sequence", "SequenceCatalogue", "catalogue", "load", "load_text"]

_HOUSE = data_folder("scenarios/sequences")
_SUFFIX = ".mmd"


@dataclass(frozen=True, eq=False)
class Sequence:
    """A sequence diagram that can judge a history.

    ``diagram`` has what it refers to in place, and ``arrows`` are in the order of its text. ``subject`` is what one
    instance of the flow is about: a device, or an application on a device. ``pending`` is why no history can follow it
    yet; empty where it can be judged.
    """

    name: str
    file: str
    diagram: Diagram
    arrows: tuple[BoundArrow, ...]
    automaton: Automaton = field(repr=False)
    symbols: Mapping[tuple[str, str, str], tuple[tuple[int, tuple[Condition, ...]], ...]] = field(repr=False)

    @property
    def title(self) -> str:
        return self.diagram.title or self.name

    @cached_property
    def subject(self) -> Subject:
        about = {arrow.event.subject for arrow in self.arrows}
        return Subject.APPLICATION if Subject.APPLICATION in about else Subject.DEVICE

    @cached_property
    def pending(self) -> str:
        return "; ".join(dict.fromkeys(arrow.event.pending for arrow in self.arrows if arrow.event.pending))

    @cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.automaton)

    @cached_property
    def refusals(self) -> frozenset[tuple[str, str, str]]:
        """The requests of which also the refused ones are judged: those of which an arrow asks for the ``code``."""
        asked = (arrow for arrow in self.arrows if arrow.label.asks_for("code"))
        return frozenset(arrow.event.key for arrow in asked)

    @cached_property
    def events(self) -> Mapping[tuple[str, str, str], EventType]:
        """The events that this diagram judges, by source, target and name; any other is none of its business."""
        return {arrow.event.key: arrow.event for arrow in self.arrows}


class SequenceCatalogue(NamedTuple):
    """The sequences that load, in order of their names, and by name why others do not."""

    flows: list[Sequence]
    broken: dict[str, UsageError]


def load(sequence: str | Path, folder: Path | None = None) -> Sequence:
    """Read an executable sequence: a file, or a name of one in ``folder``, by default ``scenarios/sequences`` here and
    then the harness's own.

    Raises UsageError naming file and line: a diagram that does not parse, an arrow that binds to nothing, a label with
    an unknown field, references in a circle.
    """
    path = _find(str(sequence), folder, where=None)
    return load_text(read_text(path, "name a .mmd file"), path.stem, file=str(path), folder=path.parent)


def load_text(text: str, name: str, *, file: str = "", folder: Path | None = None) -> Sequence:
    """An executable sequence from its text; ``folder`` is where it looks for those it refers to."""
    file = file or name
    known: dict[Path, Diagram] = {}

    def refer(wanted: str, where: str) -> tuple[Diagram, str, str]:
        path = _find(wanted, folder, where)
        if path not in known:
            known[path] = parse(read_text(path, "name a .mmd file"), file=str(path))
        return known[path], path.stem, str(path)

    expansion = expand(parse(text, file=file), name, file, refer)
    numbers: dict[tuple[tuple[str, str, str], tuple[Condition, ...]], int] = {}
    for arrow in expansion.arrows:
        numbers.setdefault((arrow.event.key, arrow.label.conditions), len(numbers))
    symbols: dict[tuple[str, str, str], tuple[tuple[int, tuple[Condition, ...]], ...]] = {}
    for (key, conditions), number in numbers.items():
        symbols[key] = (*symbols.get(key, ()), (number, conditions))
    of_arrows = [numbers[arrow.event.key, arrow.label.conditions] for arrow in expansion.arrows]
    automaton = compile_behaviour(expansion.behaviour, of_arrows)
    return Sequence(name, file, expansion.diagram, tuple(expansion.arrows), automaton, symbols)


def catalogue(folder: Path | None = None) -> SequenceCatalogue:
    """Every sequence in ``folder``; without one, of those here and of the harness's own."""
    homes = (folder,) if folder else reversed(_homes(None))
    found = {path.stem: path for home in homes for path in home.glob(f"*{_SUFFIX}")}
    flows, broken = [], {}
    for name in sorted(found):
        try:
            flows.append(load(found[name]))
        except UsageError as error:
            broken[name] = error
    return SequenceCatalogue(flows, broken)


def _homes(folder: Path | None) -> tuple[Path, ...]:
    """Where sequences are looked for; the first that has one of the name gives it."""
    return (folder or Path("scenarios") / "sequences", _HOUSE)


def _find(sequence: str, folder: Path | None, where: str | None) -> Path:
    if sequence.endswith(_SUFFIX) and Path(sequence).is_file():
        return Path(sequence)
    homes = _homes(folder)
    for home in homes:
        path = home / f"{sequence.removesuffix(_SUFFIX)}{_SUFFIX}"
        if path.is_file():
            return path
    names = sorted({file.stem for home in homes for file in home.glob(f"*{_SUFFIX}")})
    close = get_close_matches(Path(sequence).stem, names, n=3, cutoff=0.5)
    there = f"there are: {', '.join(names) or 'none'}; or name a file, as in sequences/mine{_SUFFIX}"
    hint = f"did you mean {' or '.join(close)}?" if close else there
    raise UsageError(f"there is no sequence called {sequence!r} in {homes[0]}", where=where, do=hint)
