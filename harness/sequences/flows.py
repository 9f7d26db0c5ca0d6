"""Finds executable sequences by name, reads and binds them, and makes them ready to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from harness.core.data_files import data_folder
from harness.core.errors import UsageError
from harness.core.files import read_text
from harness.sequences.behaviour import Behaviour, BoundArrow, Expansion, expand
from harness.sequences.bindings import EventType, Subject
from harness.sequences.compiler import compile_behaviour
from harness.sequences.labels import Condition
from harness.sequences.matcher import Matcher
from harness.sequences.reader import parse
from harness.sequences.reduction import Reduction
from harness.sequences.tree import Diagram
from harness.wasmbed.resources.extent import Extent

__all__ = ["Sequence", "SequenceCatalogue", "catalogue", "load", "load_text"]

_OWN = data_folder("scenarios/sequences")
_SUFFIX = ".mmd"
_KEPT = 64
"""The most texts that stay parsed and expanded."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """A sequence diagram that can judge a history.

    ``diagram`` has its references expanded, and ``arrows`` are all of its arrows in order. That is the one way to count
    the arrows of a sequence: pictures, `wasmbed sequences`, and coverage have the same. ``subject`` is what an instance
    is about: a device, or an application on a device. ``pending`` is the reason why no history can follow it yet; empty
    if it can be judged.
    """

    name: str
    file: str
    diagram: Diagram
    arrows: tuple[BoundArrow, ...]
    behaviour: tuple[Behaviour, ...] = field(repr=False)
    symbols: Mapping[tuple[str, str, str], tuple[tuple[int, tuple[Condition, ...]], ...]] = field(repr=False)
    text: str = field(default="", repr=False)
    folder: Path | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        return self.diagram.title or self.name

    def within(self, extent: Extent) -> Sequence:
        """This sequence without what a system lacks. Raises UsageError if it is about what the system lacks."""
        if not extent:
            return self
        if self.subject is Subject.APPLICATION and not extent.has("Application"):
            raise UsageError(
                f"the sequence {self.name} is about Applications, and the system under test has none",
                where="system.toml",
                do='mark the test with @pytest.mark.requires("applications"), so that it is left out',
            )
        reduction = Reduction(extent).of_arrows((arrow.event, arrow.label) for arrow in self.arrows)
        return _made(self.text, self.name, self.file, self.folder, reduction)

    @cached_property
    def subject(self) -> Subject:
        about = {arrow.event.subject for arrow in self.arrows}
        if Subject.CALLER in about:
            return Subject.CALLER
        return Subject.APPLICATION if Subject.APPLICATION in about else Subject.DEVICE

    @cached_property
    def pending(self) -> str:
        return "; ".join(dict.fromkeys(arrow.event.pending for arrow in self.arrows if arrow.event.pending))

    @cached_property
    def matcher(self) -> Matcher:
        """It is made when a history has an event of this sequence: most histories have some of a few sequences."""
        numbers = {(key, conditions): number for key, found in self.symbols.items() for number, conditions in found}
        of_arrows = [numbers[arrow.event.key, arrow.label.conditions] for arrow in self.arrows]
        return Matcher(compile_behaviour(self.behaviour, of_arrows))

    @cached_property
    def refusals(self) -> frozenset[tuple[str, str, str]]:
        """The requests that are judged even if they failed: those for which an arrow has a condition on ``code``."""
        return frozenset(arrow.event.key for arrow in self.arrows if arrow.label.asks_for("code"))

    @cached_property
    def per_device(self) -> frozenset[tuple[str, str, str]]:
        """The events for which an arrow has a condition on the device that is judged."""
        arrows = (arrow for arrow in self.arrows if any(condition.per_device for condition in arrow.label.conditions))
        return frozenset(arrow.event.key for arrow in arrows)

    @cached_property
    def events(self) -> Mapping[tuple[str, str, str], EventType]:
        """The events that this diagram judges, by source, target, and name. All others are ignored."""
        return {arrow.event.key: arrow.event for arrow in self.arrows}


class SequenceCatalogue(NamedTuple):
    """The sequences that load, in order of their names, and by name the errors of the others."""

    flows: list[Sequence]
    broken: dict[str, UsageError]


def load(sequence: str | Path, folder: Path | None = None) -> Sequence:
    """Read an executable sequence from a file, or by its name in ``folder``, by default in ``scenarios/sequences`` here
    and then among the harness's own.

    Raises UsageError with file and line for a syntax error, an arrow without an event, a label with an unknown field,
    or references in a circle.
    """
    path = _find(str(sequence), folder, where=None)
    return load_text(read_text(path, "name a .mmd file"), path.stem, file=str(path), folder=path.parent)


def load_text(text: str, name: str, *, file: str = "", folder: Path | None = None) -> Sequence:
    """An executable sequence from its text. Its references are looked up in ``folder``."""
    return _made(text, name, file or name, folder)


def _made(text: str, name: str, file: str, folder: Path | None, reduction: Reduction | None = None) -> Sequence:
    expansion = _expanded(text, name, file, folder, reduction)
    numbers: dict[tuple[tuple[str, str, str], tuple[Condition, ...]], int] = {}
    for arrow in expansion.arrows:
        numbers.setdefault((arrow.event.key, arrow.label.conditions), len(numbers))
    symbols: dict[tuple[str, str, str], tuple[tuple[int, tuple[Condition, ...]], ...]] = {}
    for (key, conditions), number in numbers.items():
        symbols[key] = (*symbols.get(key, ()), (number, conditions))
    made = Sequence(name, file, expansion.diagram, tuple(expansion.arrows), expansion.behaviour, symbols, text, folder)
    _check_callers(made)
    return made


def _check_callers(sequence: Sequence) -> None:
    """Raise UsageError for an arrow of a caller's flow whose events do not say which caller they belong to."""
    if sequence.subject is not Subject.CALLER:
        return
    for arrow in sequence.arrows:
        if "caller" not in arrow.event.fields:
            raise UsageError(
                f"{arrow.event.name} from {arrow.event.source} to {arrow.event.target} names no caller",
                where=f"{arrow.file}:{arrow.arrow.line}",
                do="leave it out: operations that are about callers make this a diagram of one caller's requests",
            )


_Referred = tuple[Diagram, str, str]
_expansions: dict[
    tuple[str, str, str, Path | None, Reduction | None], tuple[Expansion, dict[tuple[str, str], _Referred]]
] = {}
"""Expanded texts, oldest first, each with the references in it and what they stood for."""


def _expanded(text: str, name: str, file: str, folder: Path | None, reduction: Reduction | None) -> Expansion:
    """The expansion of a text. Most sequences are read again for the next test, and their references are the same."""
    key = text, name, file, folder, reduction
    if key in _expansions:
        expansion, referred = _expansions[key]
        if all(_refer(wanted, where, folder) == found for (wanted, where), found in referred.items()):
            return expansion
        del _expansions[key]
    referred = {}

    def refer(wanted: str, where: str) -> _Referred:
        return referred.setdefault((wanted, where), _refer(wanted, where, folder))

    expansion = expand(_parsed(text, file), name, file, refer, reduction)
    while len(_expansions) >= _KEPT:
        del _expansions[next(iter(_expansions))]
    _expansions[key] = expansion, referred
    return expansion


def _refer(wanted: str, where: str, folder: Path | None) -> _Referred:
    path = _find(wanted, folder, where)
    return _parsed(read_text(path, "name a .mmd file"), str(path)), path.stem, str(path)


@lru_cache(maxsize=_KEPT)
def _parsed(text: str, file: str) -> Diagram:
    """The diagram of a text. Most parts are in many sequences, and most sequences are read again for the next test."""
    return parse(text, file=file)


def catalogue(folder: Path | None = None) -> SequenceCatalogue:
    """All sequences in ``folder``; without one, those here and the harness's own."""
    folders = (folder,) if folder else reversed(_folders(None))
    found = {path.stem: path for each in folders for path in each.glob(f"*{_SUFFIX}")}
    flows, broken = [], {}
    for name in sorted(found):
        try:
            flows.append(load(found[name]))
        except UsageError as error:
            broken[name] = error
    return SequenceCatalogue(flows, broken)


def _folders(folder: Path | None) -> tuple[Path, ...]:
    """The folders in which sequences are looked up, in order of precedence."""
    return (folder or Path("scenarios") / "sequences", _OWN)


def _find(sequence: str, folder: Path | None, where: str | None) -> Path:
    if sequence.endswith(_SUFFIX) and Path(sequence).is_file():
        return Path(sequence)
    folders = _folders(folder)
    for each in folders:
        path = each / f"{sequence.removesuffix(_SUFFIX)}{_SUFFIX}"
        if path.is_file():
            return path
    names = sorted({file.stem for each in folders for file in each.glob(f"*{_SUFFIX}")})
    close = get_close_matches(Path(sequence).stem, names, n=3, cutoff=0.5)
    known = f"the sequences are: {', '.join(names) or 'none'}; or name a file, as in sequences/mine{_SUFFIX}"
    hint = f"did you mean {' or '.join(close)}?" if close else known
    raise UsageError(f"there is no sequence {sequence!r} in {folders[0]}", where=where, do=hint)
