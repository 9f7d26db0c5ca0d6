"""Compiles behaviour to terms. The meaning of each fragment:

==========================  =========================================================================================
``alt`` with ``else``       exactly one section
``alt`` alone, ``opt``      its section, or nothing (an ``alt`` without ``else`` is an if, as in UML)
``loop``                    its section repeated, within its bounds
``par``, ``par_over``       every interleaving of the sections
``critical`` / ``option``   its first section, then at most one of the options; no parallel section comes in between
``break``                   nothing; or its section, and then the rest of the innermost loop, parallel section, or
                            sequence is left out
``rect``, ``ref``           its content
==========================  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.sequences.behaviour import Behaviour, Block, BoundArrow, Limit
from harness.sequences.terms import EMPTY, Terms

__all__ = ["Automaton", "compile_behaviour"]


@dataclass(frozen=True, slots=True)
class Automaton:
    """The terms of a diagram, the initial one, and the flows that each arrow moves."""

    terms: Terms
    start: int
    flows: tuple[tuple[int, ...], ...]
    timed: bool
    flow_count: int


def compile_behaviour(behaviour: Sequence[Behaviour], symbols: list[int]) -> Automaton:
    """Compile ``behaviour``. ``symbols`` has the symbol of each arrow, by position."""
    compiler = _Compiler(symbols, _has_limit(behaviour))
    start = compiler.closed(behaviour, (0,), in_parallel=False)
    flows = tuple(compiler.flows[position] for position in range(len(symbols)))
    return Automaton(compiler.terms, start, flows, compiler.timed, compiler.flow_count)


def _has_limit(behaviour: Iterable[Behaviour]) -> bool:
    return any(
        isinstance(item, Limit) or (isinstance(item, Block) and any(map(_has_limit, item.sections)))
        for item in behaviour
    )


@dataclass(frozen=True, slots=True)
class _Endings:
    """The terms for the two endings of a piece of behaviour: complete, or by a ``break`` (None: never)."""

    whole: int
    broken: int | None = None


class _Compiler:
    def __init__(self, symbols: list[int], timed: bool) -> None:
        self.terms = Terms(symbols, timed=timed)
        self.timed = timed
        self.flow_count = 1
        self.flows: dict[int, tuple[int, ...]] = {}

    def closed(self, items: Sequence[Behaviour], flows: tuple[int, ...], *, in_parallel: bool) -> int:
        """The term of ``items``, which a ``break`` inside ends."""
        endings = self._items(items, flows, in_parallel)
        return self._either([endings.whole, endings.broken])

    def _items(self, items: Sequence[Behaviour], flows: tuple[int, ...], in_parallel: bool) -> _Endings:
        rest = _Endings(EMPTY)
        for item in reversed(items):
            if isinstance(item, BoundArrow):
                self.flows[item.position] = flows
                rest = self._then(_Endings(self.terms.arrow(item.position)), rest)
            elif isinstance(item, Limit):
                flow = flows[-1]
                broken = None if rest.broken is None else self.terms.within(flow, item.seconds, rest.broken)
                rest = _Endings(self.terms.within(flow, item.seconds, rest.whole), broken)
            elif item.kind == "break":
                inside = self._items(item.sections[0], flows, in_parallel)
                rest = _Endings(rest.whole, self._either([inside.whole, inside.broken, rest.broken]))
            else:
                rest = self._then(self._block(item, flows, in_parallel), rest)
        return rest

    def _then(self, first: _Endings, rest: _Endings) -> _Endings:
        broken = [first.broken, None if rest.broken is None else self.terms.sequence(first.whole, rest.broken)]
        left = [term for term in broken if term is not None]
        return _Endings(self.terms.sequence(first.whole, rest.whole), self._either(left) if left else None)

    def _either(self, terms: Iterable[int | None]) -> int:
        return self.terms.choice(term for term in terms if term is not None)

    def _block(self, block: Block, flows: tuple[int, ...], in_parallel: bool) -> _Endings:
        terms = self.terms
        if block.kind == "ref":
            return _Endings(self.closed(block.sections[0], flows, in_parallel=in_parallel))
        if block.kind in ("par", "par_over"):
            return _Endings(self._parallel(block, flows))
        sections = [self._items(section, flows, in_parallel) for section in block.sections]
        first, others = sections[0], sections[1:]
        match block.kind:
            case "loop":
                whole = terms.repeat(first.whole, block.least, block.most)
                if first.broken is None:
                    return _Endings(whole)
                turns = terms.repeat(first.whole, 0, None if block.most is None else block.most - 1)
                return _Endings(terms.choice([whole, terms.sequence(turns, first.broken)]))
            case "critical":
                then = self._choice(others, optional=True)
                endings = self._then(first, then)
                if not in_parallel:
                    return endings
                broken = None if endings.broken is None else terms.atomic(endings.broken)
                return _Endings(terms.atomic(endings.whole), broken)
            case "alt" | "opt":
                return self._choice(sections, optional=not others)
            case _:
                return first

    def _choice(self, sections: Sequence[_Endings], *, optional: bool) -> _Endings:
        whole = self._either([*([EMPTY] if optional else []), *(section.whole for section in sections)])
        broken = [section.broken for section in sections if section.broken is not None]
        return _Endings(whole, self._either(broken) if broken else None)

    def _parallel(self, block: Block, flows: tuple[int, ...]) -> int:
        own = tuple(range(self.flow_count, self.flow_count + len(block.sections))) if self.timed else ()
        self.flow_count += len(own)
        sections = [
            self.closed(section, (*flows, own[index]) if own else flows, in_parallel=True)
            for index, section in enumerate(block.sections)
        ]
        return self.terms.parallel(flows[-1], own, sections)
