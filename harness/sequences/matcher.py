"""Follows one instance's events through an automaton: which terms are possible now, and how it came to be there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.core.errors import UsageError
from harness.sequences.compiler import Automaton
from harness.sequences.terms import Move

__all__ = ["Configuration", "Letter", "Matcher", "Possible", "trail"]

Configuration = tuple[int, tuple[float, ...]]
"""A term, and for each flow when it last moved (infinite: not yet). Without time limits there are no clocks."""

Possible = Mapping[Configuration, tuple[Configuration, int] | None]
"""The configurations that are possible, each with one that led to it and the arrow that was taken."""

_Reasons = dict[Configuration, tuple[Configuration, int] | None]

_MOST, _MOST_TIMED, _MOST_ALIKE = 1_000, 200, 100
"""Possible configurations at once, beyond which a diagram is refused as too ambiguous: without clocks, with, and of one
shape. Those of one shape are always new terms and are all compared, so they cost the most."""

_TOLERANCE = 1e-6
"""Seconds by which a limit may be missed, so that decimal fractions mean what they say."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event to the automaton: the symbols it satisfies, as bits, and when it was."""

    symbols: int
    at: float


class Matcher:
    """Steps through an automaton. It holds no state of its own: whoever asks keeps what is possible."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        clocks = (math.inf,) * automaton.flow_count if automaton.timed else ()
        self.start: Possible = {(automaton.start, clocks): None}

    def step(self, possible: Possible, letter: Letter, *, timed: bool = True) -> Possible:
        """What is possible after an event; empty if it must not come now. ``timed`` false leaves limits aside."""
        terms, with_clocks = self.automaton.terms, self.automaton.timed
        after: _Reasons = {}
        for configuration in possible:
            term, clocks = configuration
            for move in terms.moves(term, letter.symbols):
                moved = self._clocks(clocks, move, letter.at, timed) if with_clocks else ()
                if moved is not None:
                    after.setdefault((move.term, moved), (configuration, move.position))
        if len(after) > 1:
            after = self._uncovered(after)
        _refuse_above(_MOST_TIMED if with_clocks else _MOST, len(after))
        return after

    def _uncovered(self, after: _Reasons) -> _Reasons:
        """Without those that allow nothing which another does not: with wider bounds, and no clock further back."""
        terms = self.automaton.terms
        by_shape: dict[int, list[Configuration]] = {}
        for term, clocks in after:
            kept = by_shape.setdefault(terms.shape(term), [])
            if not any(terms.covers(other, term) and _as_late(late, clocks) for other, late in kept):
                kept[:] = [
                    (other, late) for other, late in kept if not (terms.covers(term, other) and _as_late(clocks, late))
                ]
                kept.append((term, clocks))
        _refuse_above(_MOST_ALIKE, max(map(len, by_shape.values())))
        return {configuration: after[configuration] for kept in by_shape.values() for configuration in kept}

    def _clocks(self, clocks: tuple[float, ...], move: Move, at: float, timed: bool) -> tuple[float, ...] | None:
        """The clocks after ``move``; None if it comes too late."""
        moved = list(clocks)
        for flow, flows in move.opens:
            for opened in flows:
                moved[opened] = moved[flow]
        if timed and any(at - moved[flow] > seconds + _TOLERANCE for flow, seconds in move.limits):
            return None
        for flow in self.automaton.flows[move.position]:
            moved[flow] = at
        return tuple(moved)

    def accepting(self, possible: Possible) -> Configuration | None:
        """A configuration in which the history may end, if there is one."""
        terms = self.automaton.terms
        return next((configuration for configuration in possible if terms.nullable(configuration[0])), None)

    def expected(self, possible: Possible) -> list[int]:
        """The positions of the arrows that may come next, in order of the diagram."""
        terms = self.automaton.terms
        return sorted({move.position for term, _ in possible for move in terms.moves(term, -1)})

    def insert(self, possible: Possible, position: int, at: float) -> Possible:
        """What would be possible if the arrow at ``position`` were seen now."""
        terms = self.automaton.terms
        after: _Reasons = {}
        for configuration in possible:
            for move in terms.moves(configuration[0], -1):
                if move.position == position:
                    clocks = configuration[1]
                    moved = self._clocks(clocks, move, at, timed=False) if clocks else ()
                    after[move.term, moved or ()] = (configuration, position)
        return after


def _refuse_above(most: int, ways: int) -> None:
    if ways > most:
        raise UsageError(
            f"the diagram is too ambiguous: more than {most} ways to read the same events",
            do="give the arrows that look alike conditions that tell them apart",
        )


def _as_late(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def trail(steps: list[Possible], end: Configuration) -> Iterator[int]:
    """The arrows of one way through ``steps`` that ends in ``end``, last first."""
    configuration = end
    for possible in reversed(steps):
        reason = possible[configuration]
        if reason is None:
            return
        configuration, position = reason
        yield position
