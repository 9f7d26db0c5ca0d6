"""The behaviour that a diagram allows, as terms and their partial derivatives (Antimirov, 1996), built on demand.

A term is a regular expression over the positions of a diagram's arrows, with bounded repetition, interleaving
(shuffle), atomic regions, and time limits. The behaviour after an arrow is again a set of terms, so a history is judged
event by event, without building the automaton of the whole diagram. Equal terms have one number, and each derivative is
computed once.

The remaining turns of a loop are part of its term, so two readings of the same events often differ only in such bounds.
Then the one with the wider bounds allows all that the other allows (``covers``), and the other is dropped.

A time limit depends on the time at which its flow last moved. Flow 0 is the diagram itself; each section of a ``par``
is a separate flow, which starts with the time of the flow around it when the ``par`` is entered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["EMPTY", "Move", "Terms"]

EMPTY = 0
"""The term that allows no more events."""


class Move(NamedTuple):
    """A way to take an event: the arrow's position, the remaining term, and the effect on the clocks.

    ``opens`` are the flows that start, each group with the flow whose clock it inherits; ``limits`` are flows with the
    most seconds since they last moved.
    """

    position: int
    term: int
    opens: tuple[tuple[int, tuple[int, ...]], ...] = ()
    limits: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Empty:
    pass


@dataclass(frozen=True, slots=True)
class _Arrow:
    position: int


@dataclass(frozen=True, slots=True)
class _Sequence:
    first: int
    then: int


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    body: int
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Parallel:
    flow: int
    flows: tuple[int, ...]
    sections: tuple[int, ...]
    opened: bool


@dataclass(frozen=True, slots=True)
class _Atomic:
    body: int
    entered: bool


@dataclass(frozen=True, slots=True)
class _Within:
    flow: int
    seconds: float
    then: int


@dataclass(frozen=True, slots=True)
class _Turns:
    """The remaining turns of a loop."""

    least: int
    most: float

    def covers(self, other: _Turns) -> bool:
        return self.least <= other.least and other.most <= self.most


_Bounds = _Turns | tuple[int, ...]
"""The bounds of one loop, or the numbers of the bounds of several terms."""

_Row = _Empty | _Arrow | _Sequence | _Choice | _Repeat | _Parallel | _Atomic | _Within


class Terms:
    """A table of terms, which are referred to by number.

    ``symbols`` has the symbol of each position. A letter is the set of symbols, as bits, that an event satisfies.
    """

    def __init__(self, symbols: list[int], *, timed: bool = False) -> None:
        # With clocks, two arrows with the same symbol differ: each moves the clocks of its own flows.
        self._looks = list(range(len(symbols))) if timed else symbols
        self._symbols = symbols
        self._rows: list[_Row] = [_Empty()]
        self._numbers: dict[_Row, int] = {_Empty(): EMPTY}
        self._nullable = [True]
        self._locked = [False]
        self._shapes = [0]
        self._shape_numbers: dict[_Row, int] = {_Empty(): 0}
        self._bounds = [0]
        self._bound_rows: list[_Bounds] = [()]
        self._bound_numbers: dict[_Bounds, int] = {(): 0}
        self._moves: dict[tuple[int, int], tuple[Move, ...]] = {}

    def nullable(self, term: int) -> bool:
        """Whether the history may end here."""
        return self._nullable[term]

    def shape(self, term: int) -> int:
        """A number shared by terms that differ only in the bounds of loops and the positions of equal arrows."""
        return self._shapes[term]

    def covers(self, term: int, other: int) -> bool:
        """Whether ``term`` allows everything that ``other``, of the same shape, allows: no loop has narrower bounds."""
        left = [(self._bounds[term], self._bounds[other])]
        while left:
            wider, narrower = left.pop()
            if wider == narrower:
                continue
            one, two = self._bound_rows[wider], self._bound_rows[narrower]
            if isinstance(one, tuple) and isinstance(two, tuple):
                left.extend(zip(one, two, strict=True))
            elif not (isinstance(one, _Turns) and isinstance(two, _Turns) and one.covers(two)):
                return False
        return True

    # Making terms.

    def _number(self, row: _Row, nullable: bool, locked: bool = False) -> int:
        number = self._numbers.get(row)
        if number is None:
            number = self._numbers[row] = len(self._rows)
            self._rows.append(row)
            self._nullable.append(nullable)
            self._locked.append(locked)
            shape, bounds = self._shape(row)
            self._shapes.append(self._shape_numbers.setdefault(shape, len(self._shape_numbers)))
            self._bounds.append(bounds)
        return number

    def _shape(self, row: _Row) -> tuple[_Row, int]:
        """``row`` without the bounds of its loops, and the number of these bounds."""
        shapes, bounds = self._shapes, self._bounds
        match row:
            case _Arrow(position):
                return _Arrow(self._looks[position]), 0
            case _Sequence(first, then):
                return _Sequence(shapes[first], shapes[then]), self._joined(bounds[first], bounds[then])
            case _Choice(options):
                alike, inside = self._alike(options)
                return _Choice(alike), inside
            case _Repeat(body, 0, None):
                return _Repeat(shapes[body], 0, None), bounds[body]
            case _Repeat(body, least, most):
                turns = self._bound_number(_Turns(least, math.inf if most is None else most))
                return _Repeat(shapes[body], 0, 0), self._joined(turns, bounds[body])
            case _Parallel(flow, flows, sections, opened):
                alike, inside = self._alike(sections)
                return _Parallel(flow, flows, alike, opened), inside
            case _Atomic(body, entered):
                return _Atomic(shapes[body], entered), bounds[body]
            case _Within(flow, seconds, then):
                return _Within(flow, seconds, shapes[then]), bounds[then]
            case _:
                return row, 0

    def _alike(self, terms: Iterable[int]) -> tuple[tuple[int, ...], int]:
        """The shapes of ``terms`` in a canonical order, and their bounds in the same order."""
        pairs = sorted((self._shapes[term], self._bounds[term]) for term in terms)
        return tuple(shape for shape, _ in pairs), self._joined(*(bounds for _, bounds in pairs))

    def _joined(self, *bounds: int) -> int:
        """The bounds of several terms as one. Terms without bounds add nothing, so terms of one shape join alike."""
        some = tuple(filter(None, bounds))
        return some[0] if len(some) == 1 else self._bound_number(some)

    def _bound_number(self, row: _Bounds) -> int:
        number = self._bound_numbers.setdefault(row, len(self._bound_rows))
        if number == len(self._bound_rows):
            self._bound_rows.append(row)
        return number

    def arrow(self, position: int) -> int:
        return self._number(_Arrow(position), False)

    def sequence(self, first: int, then: int) -> int:
        if first == EMPTY or then == EMPTY:
            return first or then
        nullable = self._nullable[first] and self._nullable[then]
        return self._number(_Sequence(first, then), nullable, self._locked[first])

    def choice(self, options: Iterable[int]) -> int:
        flat: set[int] = set()
        for option in options:
            row = self._rows[option]
            flat.update(row.options if isinstance(row, _Choice) else (option,))
        if len(flat) == 1:
            return flat.pop()
        return self._number(_Choice(tuple(sorted(flat))), any(self._nullable[option] for option in flat))

    def repeat(self, body: int, least: int, most: int | None) -> int:
        """From ``least`` to ``most`` times (None: any number)."""
        if most == 0 or body == EMPTY:
            return EMPTY
        least = 0 if self._nullable[body] else least
        return body if (least, most) == (1, 1) else self._number(_Repeat(body, least, most), least == 0)

    def parallel(self, flow: int, flows: tuple[int, ...], sections: Iterable[int], *, opened: bool = False) -> int:
        """All interleavings of the sections, in any order: only the terms of the sections matter.

        ``flows`` are those of the sections, inside ``flow``; empty in a diagram without time limits.
        """
        left = tuple(sorted(section for section in sections if section != EMPTY))
        if len(left) < 2 and (opened or not flows):
            return left[0] if left else EMPTY
        row = _Parallel(flow, flows, left, opened and bool(flows))
        nullable = all(self._nullable[section] for section in left)
        return self._number(row, nullable, any(self._locked[section] for section in left))

    def atomic(self, body: int, *, entered: bool = False) -> int:
        """Once ``body`` has started, no parallel section may come in between."""
        return EMPTY if body == EMPTY else self._number(_Atomic(body, entered), self._nullable[body], entered)

    def within(self, flow: int, seconds: float, then: int) -> int:
        """The next event of ``then`` comes at most ``seconds`` after ``flow`` last moved."""
        return EMPTY if then == EMPTY else self._number(_Within(flow, seconds, then), self._nullable[then])

    # Derivatives.

    def moves(self, term: int, letter: int) -> tuple[Move, ...]:
        """The moves of ``term`` with an event that satisfies the symbols in ``letter`` (-1: with any event)."""
        key = (term, letter)
        known = self._moves.get(key)
        if known is None:
            known = self._moves[key] = tuple(dict.fromkeys(self._derive(term, letter)))
        return known

    def _derive(self, term: int, letter: int) -> list[Move]:
        """The moves along a sequence, past parts that are optional. A limit applies to the next event after it."""
        found: list[Move] = []
        limits: dict[int, float] = {}
        while True:
            row = self._rows[term]
            if isinstance(row, _Within):
                limits[row.flow] = min(row.seconds, limits.get(row.flow, row.seconds))
                term = row.then
                continue
            bound = tuple(limits.items())
            if not isinstance(row, _Sequence):
                return found + [move._replace(limits=bound + move.limits) for move in self._derive_one(row, letter)]
            for move in self.moves(row.first, letter):
                rest = self.sequence(move.term, row.then)
                found.append(move._replace(term=rest, limits=bound + move.limits))
            if not self._nullable[row.first]:
                return found
            term = row.then

    def _derive_one(self, row: _Row, letter: int) -> list[Move]:
        match row:
            case _Arrow(position) if letter < 0 or letter >> self._symbols[position] & 1:
                return [Move(position, EMPTY)]
            case _Choice(options):
                return [move for option in options for move in self.moves(option, letter)]
            case _Repeat(body, least, most):
                again = self.repeat(body, max(least - 1, 0), None if most is None else most - 1)
                return [move._replace(term=self.sequence(move.term, again)) for move in self.moves(body, letter)]
            case _Atomic(body):
                return [move._replace(term=self.atomic(move.term, entered=True)) for move in self.moves(body, letter)]
            case _Parallel():
                return self._interleave(row, letter)
            case _:
                return []

    def _interleave(self, row: _Parallel, letter: int) -> list[Move]:
        opens = () if row.opened or not row.flows else ((row.flow, row.flows),)
        found: list[Move] = []
        locked = [section for section in row.sections if self._locked[section]]
        for section in dict.fromkeys(locked or row.sections):
            others = list(row.sections)
            others.remove(section)
            for move in self.moves(section, letter):
                rest = self.parallel(row.flow, row.flows, [*others, move.term], opened=True)
                found.append(move._replace(term=rest, opens=(*opens, *move.opens)))
            if locked and (released := self._release(section)) is not None:
                rest = self.parallel(row.flow, row.flows, [*others, released], opened=True)
                found += self.moves(rest, letter)
        return found

    def _release(self, term: int) -> int | None:
        """``term`` after its atomic region; None if that is not finished."""
        match self._rows[term]:
            case _Atomic(body):
                return EMPTY if self._nullable[body] else None
            case _Sequence(first, then):
                released = self._release(first)
                return None if released is None else self.sequence(released, then)
            case _Parallel(flow, flows, sections):
                inside = next(section for section in sections if self._locked[section])
                released = self._release(inside)
                others = list(sections)
                others.remove(inside)
                return None if released is None else self.parallel(flow, flows, [*others, released], opened=True)
            case _:
                return None
