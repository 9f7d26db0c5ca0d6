"""Follows one instance's events through an automaton: which terms are possible now, and how it came to be there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.core.errors import UsageError
from harness.sequences.compiler import Automaton

__all__ = ["Configuration", "Letter", "Matcher", "Possible", "trail"]

Configuration = tuple[int, tuple[float, ...]]
"""A term, and for each flow when it last moved (infinite: not yet). Without time limits there are no clocks."""

Possible = Mapping[Configuration, tuple[Configuration, int] | None]
"""The configurations that are possible, each with one that led to it and the arrow that was taken."""

_MOST, _MOST_TIMED = 1_000, 200
"""Possible configurations at once, without and with clocks, beyond which a diagram is refused as too ambiguous."""

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
        after: dict[Configuration, tuple[Configuration, int] | None] = {}
        for configuration in possible:
            term, clocks = configuration
            for move in terms.moves(term, letter.symbols):
                if with_clocks:
                    moved = self._clocks(clocks, move.opens, move.limits if timed else (), move.position, letter.at)
                    if moved is None:
                        continue
                    after.setdefault((move.term, moved), (configuration, move.position))
                else:
                    after.setdefault((move.term, ()), (configuration, move.position))
        if len(after) > 1:
            after = _undominated(after) if with_clocks else self._distinct(after)
        if len(after) > (most := _MOST_TIMED if with_clocks else _MOST):
            raise UsageError(
                f"the diagram is too ambiguous: more than {most} ways to read the same events",
                do="give the arrows that look alike conditions that tell them apart",
            )
        return after

    def _distinct(
        self, after: dict[Configuration, tuple[Configuration, int] | None]
    ) -> dict[Configuration, tuple[Configuration, int] | None]:
        """One configuration of each shape: where sections look alike it does not matter which of them moved."""
        by_shape: dict[int, Configuration] = {}
        for configuration in after:
            by_shape.setdefault(self.automaton.terms.shape(configuration[0]), configuration)
        return after if len(by_shape) == len(after) else {kept: after[kept] for kept in by_shape.values()}

    def _clocks(
        self,
        clocks: tuple[float, ...],
        opens: tuple[tuple[int, tuple[int, ...]], ...],
        limits: tuple[tuple[int, float], ...],
        position: int,
        at: float,
    ) -> tuple[float, ...] | None:
        moved = list(clocks)
        for flow, flows in opens:
            for opened in flows:
                moved[opened] = moved[flow]
        for flow, seconds in limits:
            if at - moved[flow] > seconds + _TOLERANCE:
                return None
        for flow in self.automaton.flows[position]:
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
        after: dict[Configuration, tuple[Configuration, int] | None] = {}
        for configuration in possible:
            for move in terms.moves(configuration[0], -1):
                if move.position == position:
                    clocks = configuration[1]
                    moved = self._clocks(clocks, move.opens, (), position, at) if clocks else ()
                    after[move.term, moved or ()] = (configuration, position)
        return after


def _undominated(
    after: dict[Configuration, tuple[Configuration, int] | None],
) -> dict[Configuration, tuple[Configuration, int] | None]:
    """Without those configurations that allow nothing which another of the same term, with later clocks, does not."""
    by_term: dict[int, list[tuple[float, ...]]] = {}
    for term, clocks in after:
        best = by_term.setdefault(term, [])
        if not any(_as_late(other, clocks) for other in best):
            best[:] = [other for other in best if not _as_late(clocks, other)] + [clocks]
    return {
        configuration: reason
        for configuration, reason in after.items()
        if configuration[1] in by_term[configuration[0]]
    }


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
