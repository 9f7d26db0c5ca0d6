"""Counts the arrows of sequences that a run has exercised, and finds those that it never did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.core.history import Event
from harness.sequences.bindings import Subject
from harness.sequences.flows import Sequence
from harness.sequences.instances import Instance, collect
from harness.sequences.matcher import Possible
from harness.sequences.words import letter, path, run

__all__ = ["STOPPING", "ArrowCoverage", "Coverage", "coverage", "taken"]

STOPPING = "stack stopping"
"""The note behind which a stack ends what a test has left."""


@dataclass(frozen=True, slots=True)
class ArrowCoverage:
    """The number of times that an arrow was seen, in histories that followed the sequence.

    ``position`` is its index in the sequence's arrows, references expanded. ``line`` is a line of ``origin``, the
    sequence in which it is written.
    """

    sequence: str
    position: int
    origin: str
    line: int
    arrow: str
    seen: int

    @property
    def text(self) -> str:
        """The arrow, with its origin if that is another sequence."""
        return self.arrow if self.origin == self.sequence else f"{self.arrow} (ref {self.origin})"


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row for each arrow; ``+`` adds up what several histories have exercised."""

    arrows: tuple[ArrowCoverage, ...]

    @property
    def never(self) -> tuple[ArrowCoverage, ...]:
        return tuple(arrow for arrow in self.arrows if not arrow.seen)

    def __add__(self, other: Coverage) -> Coverage:
        rows = {(arrow.sequence, arrow.position): arrow for arrow in self.arrows}
        for arrow in other.arrows:
            key = arrow.sequence, arrow.position
            rows[key] = replace(arrow, seen=arrow.seen + rows[key].seen) if key in rows else arrow
        return Coverage(tuple(rows.values()))

    def __str__(self) -> str:
        lines = []
        for name in dict.fromkeys(arrow.sequence for arrow in self.arrows):
            rows = [arrow for arrow in self.arrows if arrow.sequence == name]
            lines.append(f"{name}: {sum(bool(row.seen) for row in rows)} of {len(rows)} arrows")
            lines += [f"  {row.seen or 'never':>7}  {row.text}  (line {row.line})" for row in rows]
        return "\n".join(lines)


def coverage(sequences: Iterable[Sequence], events: Iterable[Event]) -> Coverage:
    """Count the arrows that ``events`` exercise, over all instances that follow one of ``sequences``.

    Each sequence counts all of its arrows, including those of the sequences that it refers to.
    """
    rows: list[ArrowCoverage] = []
    events = list(events)
    stopping = next((event.n for event in events if event.name == STOPPING), None)
    for sequence in sequences:
        seen = taken(sequence, events, stopping)
        for bound in sequence.arrows:
            at = bound.position, bound.origin, bound.arrow.line
            rows.append(ArrowCoverage(sequence.name, *at, str(bound), seen[bound.position]))
    return Coverage(tuple(rows))


def taken(sequence: Sequence, events: Iterable[Event], stopping: int | None = None) -> Counter[int]:
    """The number of times that each arrow (position) was taken by an instance that followed the sequence.

    ``stopping``: the number of the event at which the stack began to stop. An instance counts as it was then, too:
    boards lose their power then before the platform ends.
    """
    if sequence.pending:
        return Counter()
    events = list(events)
    words = _words(sequence, events)
    cut = words if stopping is None else _words_before(sequence, events, words, stopping)
    in_all: Counter[int] = Counter()
    before: Counter[int] = Counter()
    shared: dict[int, int] = {}
    for instance in words | cut:
        word, early = words.get(instance, []), cut.get(instance, [])
        steps = _steps(sequence, instance, word, shared)
        _count(in_all, sequence, steps, len(word))
        begins = early == word[: len(early)]  # as nearly always: one run tells both
        steps = steps[: len(early) + 1] if begins else _steps(sequence, instance, early, shared)
        _count(before, sequence, steps, len(early))
    return in_all | before


def _words(sequence: Sequence, events: Iterable[Event]) -> dict[Instance, list[Event]]:
    return collect(sequence.events, sequence.subject, events, sequence.refusals).words


def _words_before(
    sequence: Sequence, events: list[Event], words: dict[Instance, list[Event]], stopping: int
) -> dict[Instance, list[Event]]:
    """The words of the events before ``stopping``. Which device an application is on can be known from later ones."""
    if sequence.subject is not Subject.APPLICATION:
        return {instance: [event for event in word if event.n < stopping] for instance, word in words.items()}
    return _words(sequence, [event for event in events if event.n < stopping])


def _steps(sequence: Sequence, instance: Instance, word: Iterable[Event], shared: dict[int, int]) -> list[Possible]:
    """One event at a time: most instances leave the diagram of most sequences early."""
    return run(sequence, (letter(sequence, instance, event, shared) for event in word))


def _count(seen: Counter[int], sequence: Sequence, steps: list[Possible], length: int) -> None:
    if len(steps) > length and sequence.matcher.accepting(steps[-1]) is not None:
        seen.update(path(sequence, steps))
