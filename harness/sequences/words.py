"""Converts an instance's events to letters for the automaton, and finds their path through it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.history import Event
from harness.sequences.flows import Sequence
from harness.sequences.instances import Instance, refused
from harness.sequences.labels import Condition
from harness.sequences.matcher import Letter, Possible, trail

__all__ = ["letters", "path", "run"]


def letters(
    sequence: Sequence, instance: Instance, word: Iterable[Event], shared: dict[int, int] | None = None
) -> list[Letter]:
    """The letter of each event of an instance. ``shared`` caches those that do not depend on the instance."""
    shared = {} if shared is None else shared
    found = []
    for event in word:
        symbols = shared.get(event.n)
        if symbols is None:
            candidates = sequence.symbols[event.source, event.target, event.name]
            symbols = _satisfied(event, candidates, instance.device)
            if not any(condition.per_device for _, conditions in candidates for condition in conditions):
                shared[event.n] = symbols
        found.append(Letter(symbols, event.at))
    return found


def _satisfied(event: Event, candidates: Iterable[tuple[int, tuple[Condition, ...]]], device: str) -> int:
    symbols, failed = 0, refused(event)
    for number, conditions in candidates:
        if failed and not any(condition.path == ("code",) for condition in conditions):
            continue
        if all(condition.holds(event.data, device) for condition in conditions):
            symbols |= 1 << number
    return symbols


def run(sequence: Sequence, word: Iterable[Letter]) -> list[Possible]:
    """The possible configurations before the first event and after each; the list ends before an event not allowed."""
    matcher = sequence.matcher
    steps = [matcher.start]
    for letter in word:
        after = matcher.step(steps[-1], letter)
        if not after:
            break
        steps.append(after)
    return steps


def path(sequence: Sequence, steps: list[Possible]) -> list[int]:
    """The arrow (position) of each event on one path through ``steps``, at best one that is accepted."""
    end = sequence.matcher.accepting(steps[-1]) or next(iter(steps[-1]))
    return list(trail(steps, end))[::-1]
