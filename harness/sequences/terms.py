"""The behaviour a diagram allows, as terms and their partial derivatives (Antimirov, 1996): exact, built as needed.

A term is a regular expression over the positions of a diagram's arrows, with bounded repetition, interleaving
(shuffle), atomic regions and time limits. What may follow once an arrow was seen is again a set of terms, so a history
is judged event by event, without ever building the automaton of the whole diagram. Equal terms are one number, and
each derivative is computed once.

How often a loop may still turn is part of its term, so two readings of the same events often differ in nothing but such
bounds: then the one with the wider bounds allows all that the other does (``covers``), and the other need not be kept.

Time limits need to know when the flow that they stand in last moved. Flow 0 is the diagram itself; each section of a
``par`` is a flow of its own, which starts where the flow around it stood when the ``par`` was entered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["EMPTY", "Move", "Terms"]

EMPTY = 0
"""The term that allows nothing more."""


class Move(NamedTuple):
    """One way to take an event: the arrow's position, the term that remains, and what this does to the clocks.

    ``opens`` are the flows that start (each group with the flow whose clock it takes over); ``limits`` the flows whose
    clock must not be further back than so many seconds.
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
    """How often a loop may still turn."""

    least: int
    most: float

    def covers(self, other: _Turns) -> bool:
        return self.least <= other.least and other.most <= self.most


_Bounds = _Turns | tuple[int, ...]
"""Those of one loop, or the numbers of those of several terms."""

_Row = _Empty | _Arrow | _Sequence | _Choice | _Repeat | _Parallel | _Atomic | _Within


class Terms:
    """A table of terms, each known by its number.

    ``symbols`` gives for each position the symbol it stands for: a letter is the set of symbols (as bits) that one
    event satisfies.
    """

    def __init__(self, symbols: list[int], *, timed: bool = False) -> None:
        # With clocks it matters which of two arrows that look alike was taken: each moves the clocks of its own flows.
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
        """A number that terms share which differ only in loops' bounds, and in where arrows that look alike stand."""
        return self._shapes[term]

    def covers(self, term: int, other: int) -> bool:
        """Whether ``term`` allows all that ``other``, of the same shape, does: no loop of it has narrower bounds."""
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

    # how terms are made

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
        """``row`` without its loops' bounds, and these."""
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
        """The shapes of ``terms`` whose order means nothing, and their bounds in the same order."""
        pairs = sorted((self._shapes[term], self._bounds[term]) for term in terms)
        return tuple(shape for shape, _ in pairs), self._joined(*(bounds for _, bounds in pairs))

    def _joined(self, *bounds: int) -> int:
        """Bounds of several terms as one; terms without any add nothing, so terms of one shape join the same way."""
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
        """Every interleaving of the sections; they are told apart by what they still allow, so their order is none.

        ``flows`` are those of the sections, inside ``flow``; empty where nothing asks for the time.
        """
        left = tuple(sorted(section for section in sections if section != EMPTY))
        if len(left) < 2 and (opened or not flows):
            return left[0] if left else EMPTY
        row = _Parallel(flow, flows, left, opened and bool(flows))
        nullable = all(self._nullable[section] for section in left)
        return self._number(row, nullable, any(self._locked[section] for section in left))

    def atomic(self, body: int, *, entered: bool = False) -> int:
        """Once ``body`` has begun, nothing that runs in parallel comes in between."""
        return EMPTY if body == EMPTY else self._number(_Atomic(body, entered), self._nullable[body], entered)

    def within(self, flow: int, seconds: float, then: int) -> int:
        """The next event of ``then`` comes at most ``seconds`` after ``flow`` last moved."""
        return EMPTY if then == EMPTY else self._number(_Within(flow, seconds, then), self._nullable[then])

    # what may come next

    def moves(self, term: int, letter: int) -> tuple[Move, ...]:
        """The ways on from ``term`` with an event that satisfies the symbols in ``letter`` (-1: with any event)."""
        key = (term, letter)
        known = self._moves.get(key)
        if known is None:
            known = self._moves[key] = tuple(dict.fromkeys(self._derive(term, letter)))
        return known

    def _derive(self, term: int, letter: int) -> list[Move]:
        """Along a sequence, as far as what stands first may be absent; limits on the way bind whatever comes next."""
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
        """``term`` with the atomic region that it is in left behind; None if that is not finished."""
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
