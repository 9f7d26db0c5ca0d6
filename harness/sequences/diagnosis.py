"""Explains why an instance did not follow its diagram, by the simplest single change that makes the rest fit.

Each explanation is tried on the events: skip an event, insert an arrow, ignore the data. The one after which the
history follows the diagram longest, at best to its end, is reported. This chooses the text, never the verdict.
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
"""The most configurations in the search for the shortest continuation."""

_ORDER = (Mismatch.LATE, Mismatch.DIFFERENT, Mismatch.MISPLACED, Mismatch.MISSING, Mismatch.EXTRA)


@dataclass(frozen=True, slots=True)
class _Explanation:
    finding: Finding
    done: bool
    reach: int

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        changes = max(len(self.finding.arrows), 1)
        return (self.done, self.reach, -changes, -_ORDER.index(self.finding.mismatch))


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

    # The history ended too early.

    def _ended(self) -> Finding:
        missing = self._shortest(self._possible, lambda possible: self._matcher.accepting(possible) is not None)
        missing = missing or list(self._expected[:1])
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return Finding(Mismatch.MISSING, f"the history ends before {self._arrow(missing[0])}{more}", tuple(missing))

    # An event came that the diagram does not allow.

    def _explanations(self) -> Iterator[_Explanation]:
        event = self._events[self._place]
        yield self._extra(event)
        yield from self._late(event)
        yield from self._different(event)
        yield from self._missing(event)

    def _follow(self, possible: Possible, index: int) -> tuple[Possible, int]:
        """Follow the events from ``index`` on as far as possible, ignoring time limits; return the state and index."""
        while index < len(self._letters):
            after = self._matcher.step(possible, self._letters[index], timed=False)
            if not after:
                break
            possible, index = after, index + 1
        return possible, index

    def _explained(self, finding: Finding, possible: Possible, index: int) -> _Explanation:
        possible, reach = self._follow(possible, index)
        done = reach == len(self._letters) and self._matcher.accepting(possible) is not None
        return _Explanation(finding, done, reach)

    def _extra(self, event: Event) -> _Explanation:
        """Try to skip this event, or to move it to the later place at which the history lacks it."""
        possible, reach = self._follow(self._possible, self._place + 1)
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
        """Try to ignore that the event's data differ."""
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
        """Try to insert the fewest arrows that allow this event, or to move an event that came later here."""
        letter = self._letters[self._place]
        missing = self._shortest(
            self._possible, lambda possible: bool(self._matcher.step(possible, letter, timed=False))
        )
        if not missing:
            return
        possible = self._possible
        for position in missing:
            possible = self._matcher.insert(possible, position, event.at)
        first, others = missing[0], len(missing) - 1
        text = self._arrow(first) + (f" and {others} more are" if others else " is")
        text = f"{text} missing before {event.name}"
        yield self._explained(Finding(Mismatch.MISSING, text, tuple(missing)), possible, self._place)
        stuck, reach = self._follow(possible, self._place)
        if not others and reach < len(self._letters) and self._letters[reach].symbols >> self._symbol(first) & 1:
            late = f"{self._arrow(first)} came too late: after {self._before(reach)}"
            yield self._explained(Finding(Mismatch.MISPLACED, late, (first,), reach), stuck, reach + 1)

    # Help.

    def _shortest(self, possible: Possible, reached: Callable[[Possible], bool]) -> list[int]:
        """The fewest arrows that lead from ``possible`` to a state in which ``reached`` holds; empty if too many."""
        queue: deque[tuple[Configuration, list[int]]] = deque((configuration, []) for configuration in possible)
        seen = set(possible)
        while queue and len(seen) < _SEARCHED:
            configuration, positions = queue.popleft()
            if reached({configuration: None}):
                return positions
            here: Possible = {configuration: None}
            for position in self._matcher.expected(here):
                for after in self._matcher.insert(here, position, self._at()):
                    if after not in seen:
                        seen.add(after)
                        queue.append((after, [*positions, position]))
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
    return f"{'.'.join(condition.path)} = {condition.value_in(event.data, device, 'nothing')}"
