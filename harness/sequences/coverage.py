"""The coverage of sequences: how often histories contain each arrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.history import Event
from harness.sequences.flows import Sequence
from harness.sequences.instances import collect
from harness.sequences.words import letters, path, run

__all__ = ["ArrowCoverage", "Coverage", "coverage"]

_Key = tuple[str, str, int, str]
"""The fields of an :class:`ArrowCoverage` without ``seen``."""


@dataclass(frozen=True, slots=True)
class ArrowCoverage:
    """How often an arrow of ``sequence`` occurred in histories that follow it.

    ``origin`` is the sequence or part in which the arrow is written, on ``line``.
    """

    sequence: str
    origin: str
    line: int
    arrow: str
    seen: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row for each arrow; ``+`` adds the counts of several histories."""

    arrows: tuple[ArrowCoverage, ...]

    @property
    def never(self) -> tuple[ArrowCoverage, ...]:
        return tuple(arrow for arrow in self.arrows if not arrow.seen)

    def __add__(self, other: Coverage) -> Coverage:
        seen: Counter[_Key] = Counter()
        for arrow in (*self.arrows, *other.arrows):
            seen[arrow.sequence, arrow.origin, arrow.line, arrow.arrow] += arrow.seen
        return Coverage(tuple(ArrowCoverage(*key, count) for key, count in seen.items()))

    def __str__(self) -> str:
        lines = []
        for name in dict.fromkeys(arrow.sequence for arrow in self.arrows):
            rows = [arrow for arrow in self.arrows if arrow.sequence == name]
            lines.append(f"{name}: {sum(bool(row.seen) for row in rows)} of {len(rows)} arrows")
            lines += [f"  {row.seen or 'never':>7}  {row.arrow}  (line {row.line})" for row in rows]
        return "\n".join(lines)


def coverage(sequences: Iterable[Sequence], events: Iterable[Event]) -> Coverage:
    """Count the arrows that ``events`` exercise, over every instance that follows one of ``sequences``.

    An arrow of a part counts for every sequence that refers to the part, and once however often it does.
    """
    sequences, events = list(sequences), list(events)
    rows: dict[_Key, None] = {}
    seen: Counter[_Key] = Counter()
    for sequence in sequences:
        keys = [(sequence.name, arrow.origin, arrow.arrow.line, str(arrow)) for arrow in sequence.arrows]
        rows.update(dict.fromkeys(keys))
        if sequence.pending:
            continue
        found = collect(sequence.events, sequence.subject, events, sequence.refusals)
        for instance, word in found.words.items():
            # One at a time: most instances of most sequences part from the diagram early.
            steps = run(sequence, (letter for event in word for letter in letters(sequence, instance, [event])))
            if len(steps) > len(word) and sequence.matcher.accepting(steps[-1]) is not None:
                seen.update(keys[position] for position in path(sequence, steps))
    return Coverage(tuple(ArrowCoverage(*key, seen[key]) for key in rows))
