"""Follows one instance's events through an automaton: the possible terms, and the arrows that led to them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.core.errors import UsageError
from harness.sequences.compiler import Automaton
from harness.sequences.terms import Move

__all__ = ["Configuration", "Letter", "Matcher", "Possible", "trail"]

Configuration = tuple[int, tuple[float, ...]]
"""A term, and the time at which each flow last moved (infinite: never). Without time limits there are no clocks."""

Possible = Mapping[Configuration, tuple[Configuration, int] | None]
"""The possible configurations, each with a predecessor and the arrow between them."""

_Reasons = dict[Configuration, tuple[Configuration, int] | None]

_MOST, _MOST_TIMED, _MOST_ALIKE = 1_000, 200, 100
"""The most possible configurations at a time; beyond that a diagram is refused as too ambiguous: without clocks, with
clocks, and of one shape. Configurations of one shape are always new terms and are all compared, so they cost most."""

_TOLERANCE = 1e-6
"""Seconds by which a limit may be exceeded, for rounding errors of decimal fractions."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event for the automaton: the symbols it satisfies, as bits, and its time."""

    symbols: int
    at: float


class Matcher:
    """Steps through an automaton. It holds no state: the caller keeps the possible configurations."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        clocks = (math.inf,) * automaton.flow_count if automaton.timed else ()
        self.start: Possible = {(automaton.start, clocks): None}

    def step(self, possible: Possible, letter: Letter, *, timed: bool = True) -> Possible:
        """The possible configurations after an event; none if it is not allowed. ``timed`` false ignores limits."""
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
        """Remove configurations that another one covers: with wider bounds, and no clock further back."""
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
        """The clocks after ``move``; None if it is too late."""
        if not move.opens and not move.limits:  # as nearly all are
            flows_moved = self.automaton.flows[move.position]
            if flows_moved == (0,):
                return (at, *clocks[1:])
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
        """The possible configurations if the arrow at ``position`` were seen now."""
        terms = self.automaton.terms
        after: _Reasons = {}
        for configuration in possible:
            for move in terms.moves(configuration[0], -1):
                if move.position == position:
                    clocks = configuration[1]
                    moved = self._clocks(clocks, move, at, timed=False) if clocks else ()
                    after[move.term, moved or ()] = (configuration, position)
        return after


def _refuse_above(most: int, count: int) -> None:
    if count > most:
        raise UsageError(
            f"the diagram is too ambiguous: more than {most} readings of the same events",
            do="add conditions that distinguish arrows of the same event",
        )


def _as_late(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def trail(steps: list[Possible], end: Configuration) -> Iterator[int]:
    """The arrows of one path through ``steps`` that ends in ``end``, last first."""
    configuration = end
    for possible in reversed(steps):
        reason = possible[configuration]
        if reason is None:
            return
        configuration, position = reason
        yield position
