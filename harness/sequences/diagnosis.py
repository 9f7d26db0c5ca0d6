"""Why an instance did not follow its diagram: the simplest single change that explains most of what came after.

Each explanation is tried on the events themselves - leave this one out, put that arrow in, overlook the data - and the
one after which the history goes on longest, best to its end, is told. This chooses words; it never changes a verdict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.core.history import Event
from harness.sequences.flows import Sequence
from harness.sequences.labels import Condition
from harness.sequences.matcher import Configuration, Matcher, Possible
from harness.sequences.verdict import Finding, InstanceVerdict, Mismatch, route
from harness.sequences.words import letters, run

__all__ = ["diagnose"]

_SEARCHED = 2_000
"""Configurations looked at for the shortest way on."""

_ORDER = (Mismatch.LATE, Mismatch.DIFFERENT, Mismatch.MISPLACED, Mismatch.MISSING, Mismatch.EXTRA)


@dataclass(frozen=True, slots=True)
class _Explanation:
    finding: Finding
    done: bool
    reach: int

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        changes = max(len(self.finding.arrows), 1)
        return (self.done, self.reach, -changes, -_ORDER.index(self.finding.trouble))


def diagnose(sequence: Sequence, verdict: InstanceVerdict) -> Finding:
    """Explain a failed instance."""
    return _Diagnosis(sequence, verdict).best()


class _Diagnosis:
    def __init__(self, sequence: Sequence, verdict: InstanceVerdict) -> None:
        self._sequence, self._events = sequence, verdict.events
        self._matcher: Matcher = sequence.matcher
        self._letters = letters(sequence, verdict.instance, verdict.events)
        self._device = verdict.instance.device
        self._place = verdict.place or 0
        self._expected = verdict.expected
        self._possible = run(sequence, self._letters[: self._place])[-1]

    def best(self) -> Finding:
        if self._place == len(self._events):
            return self._ended()
        found = max(self._explanations(), key=lambda explanation: explanation.rank)
        return found.finding

    # the history ended

    def _ended(self) -> Finding:
        way = self._way(self._possible, lambda possible: self._matcher.accepting(possible) is not None)
        missing = way or self._expected[:1]
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return Finding(Mismatch.MISSING, f"the history ends before {self._arrow(missing[0])}{more}", tuple(missing))

    # an event came that must not

    def _explanations(self) -> Iterator[_Explanation]:
        event = self._events[self._place]
        yield self._extra(event)
        yield from self._late(event)
        yield from self._different(event)
        yield from self._missing(event)

    def _go(self, possible: Possible, index: int) -> tuple[Possible, int]:
        """As far as the events from ``index`` on lead, limits left aside; what is possible there, and where."""
        while index < len(self._letters):
            after = self._matcher.step(possible, self._letters[index], timed=False)
            if not after:
                break
            possible, index = after, index + 1
        return possible, index

    def _explained(self, finding: Finding, possible: Possible, index: int) -> _Explanation:
        possible, reach = self._go(possible, index)
        done = reach == len(self._letters) and self._matcher.accepting(possible) is not None
        return _Explanation(finding, done, reach)

    def _extra(self, event: Event) -> _Explanation:
        """Without this event - or with it at a later place, where the history gets stuck for want of it."""
        possible, reach = self._go(self._possible, self._place + 1)
        symbols = self._letters[self._place].symbols
        for position in self._matcher.expected(possible):
            if symbols >> self._symbol(position) & 1:
                after = self._matcher.insert(possible, position, event.at)
                text = f"{event.name} came too early: it belongs after {self._before(reach)}"
                later = self._explained(Finding(Mismatch.MISPLACED, text, (position,), self._place), after, reach)
                if later.done or later.reach > reach:
                    return later
        finding = Finding(Mismatch.EXTRA, f"{route(event)} is not expected here")
        return self._explained(finding, self._possible, self._place + 1)

    def _late(self, event: Event) -> Iterator[_Explanation]:
        letter = self._letters[self._place]
        after = self._matcher.step(self._possible, letter, timed=False)
        if not after:
            return
        terms, gone = self._matcher.automaton.terms, 0.0
        limit, position = 0.0, None
        for term, clocks in self._possible:
            for move in terms.moves(term, letter.symbols):
                for flow, seconds in move.limits:
                    limit, position, gone = seconds, move.position, letter.at - clocks[flow]
        text = f"{event.name} came {gone:.3g} s after the arrow before it, later than {limit:g} s"
        finding = Finding(Mismatch.LATE, text, () if position is None else (position,))
        yield self._explained(finding, after, self._place + 1)

    def _different(self, event: Event) -> Iterator[_Explanation]:
        """As if its data were what the diagram asks for."""
        for position in self._expected:
            arrow = self._sequence.arrows[position]
            if arrow.event.key != (event.source, event.target, event.name):
                continue
            wrong = [test for test in arrow.label.conditions if not test.holds(event.data, self._device)]
            if not wrong:
                continue
            seen = ", ".join(_seen(test, event, self._device) for test in wrong)
            text = f"{event.name} came with other data: expected {', '.join(map(str, wrong))}; seen {seen}"
            after = self._matcher.insert(self._possible, position, event.at)
            yield self._explained(Finding(Mismatch.DIFFERENT, text, (position,)), after, self._place + 1)

    def _missing(self, event: Event) -> Iterator[_Explanation]:
        """With the fewest arrows put in that let this event come - or with one that came later put here."""
        letter = self._letters[self._place]
        way = self._way(self._possible, lambda possible: bool(self._matcher.step(possible, letter, timed=False)))
        if not way:
            return
        possible = self._possible
        for position in way:
            possible = self._matcher.insert(possible, position, event.at)
        text = self._arrow(way[0]) + (f" and {len(way) - 1} more" if len(way) > 1 else "")
        text = f"{text} {'are' if len(way) > 1 else 'is'} missing before {event.name}"
        yield self._explained(Finding(Mismatch.MISSING, text, tuple(way)), possible, self._place)
        stuck, reach = self._go(possible, self._place)
        if len(way) == 1 and reach < len(self._letters) and self._letters[reach].symbols >> self._symbol(way[0]) & 1:
            late = f"{self._arrow(way[0])} came too late: after {self._before(reach)}"
            yield self._explained(Finding(Mismatch.MISPLACED, late, (way[0],), reach), stuck, reach + 1)

    # help

    def _way(self, possible: Possible, reached: Callable[[Possible], bool]) -> list[int]:
        """The fewest arrows that lead from ``possible`` to where ``reached`` holds; none if it is too far."""
        queue: deque[tuple[Configuration, list[int]]] = deque((configuration, []) for configuration in possible)
        seen = set(possible)
        while queue and len(seen) < _SEARCHED:
            configuration, way = queue.popleft()
            if reached({configuration: None}):
                return way
            here: Possible = {configuration: None}
            for position in self._matcher.expected(here):
                for after in self._matcher.insert(here, position, self._at()):
                    if after not in seen:
                        seen.add(after)
                        queue.append((after, [*way, position]))
        return []

    def _at(self) -> float:
        return self._events[min(self._place, len(self._events) - 1)].at if self._events else 0.0

    def _symbol(self, position: int) -> int:
        arrow = self._sequence.arrows[position]
        table = self._sequence.symbols[arrow.event.key]
        return next(number for number, conditions in table if conditions == arrow.label.conditions)

    def _arrow(self, position: int) -> str:
        return str(self._sequence.arrows[position])

    def _before(self, index: int) -> str:
        return route(self._events[index - 1]).partition(": ")[2] if index else "the beginning"


def _seen(condition: Condition, event: Event, device: str) -> str:
    value: object = event.data
    for part in condition.path:
        key = device if part == "{device}" else part
        value = value.get(key, "nothing") if isinstance(value, dict) else "nothing"
    return f"{'.'.join(condition.path)} = {value}"
