"""Which arrows of which sequences a run has exercised, and which never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.history import Event
from harness.sequences.flows import Sequence
from harness.sequences.instances import collect
from harness.sequences.words import letters, path, run

__all__ = ["ArrowCoverage", "Coverage", "coverage"]


@dataclass(frozen=True, slots=True)
class ArrowCoverage:
    """How often an arrow was seen, in histories that followed the sequence."""

    sequence: str
    line: int
    arrow: str
    seen: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row for each arrow; ``+`` adds up what several histories have exercised."""

    arrows: tuple[ArrowCoverage, ...]

    @property
    def never(self) -> tuple[ArrowCoverage, ...]:
        return tuple(arrow for arrow in self.arrows if not arrow.seen)

    def __add__(self, other: Coverage) -> Coverage:
        seen: Counter[tuple[str, int, str]] = Counter()
        for arrow in (*self.arrows, *other.arrows):
            seen[arrow.sequence, arrow.line, arrow.arrow] += arrow.seen
        return Coverage(tuple(ArrowCoverage(*key, count) for key, count in seen.items()))

    def __str__(self) -> str:
        lines = []
        for name in dict.fromkeys(arrow.sequence for arrow in self.arrows):
            rows = [arrow for arrow in self.arrows if arrow.sequence == name]
            lines.append(f"{name}: {sum(bool(row.seen) for row in rows)} of {len(rows)} arrows")
            lines += [f"  {row.seen or 'never':>7}  {row.arrow}  (line {row.line})" for row in rows]
        return "\n".join(lines)


def coverage(sequences: Iterable[Sequence], events: Iterable[Event], *, parts: bool = False) -> Coverage:
    """Count the arrows that ``events`` exercise, over every instance that follows one of ``sequences``.

    An arrow of a sequence that others refer to counts for the sequence in which it is written. With ``parts``,
    those of pieces that are only referred to count too.
    """
    sequences, events = list(sequences), list(events)
    rows: dict[tuple[str, int, str], None] = {}
    seen: Counter[tuple[str, int, str]] = Counter()
    for sequence in sequences:
        keys = [(arrow.origin, arrow.arrow.line, str(arrow)) for arrow in sequence.arrows]
        rows.update(dict.fromkeys(key for key in keys if parts or key[0] == sequence.name))
        if sequence.pending:
            continue
        found = collect(sequence.events, sequence.subject, events, sequence.refusals)
        for instance, word in found.words.items():
            # One at a time: most instances of most sequences part from the diagram early.
            steps = run(sequence, (letter for event in word for letter in letters(sequence, instance, [event])))
            if len(steps) > len(word) and sequence.matcher.accepting(steps[-1]) is not None:
                seen.update(keys[position] for position in path(sequence, steps))
    return Coverage(tuple(ArrowCoverage(*key, seen[key]) for key in rows))
