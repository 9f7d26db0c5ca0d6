"""Converts an instance's events to letters for the automaton, and finds their path through it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.core.history import Event
from harness.sequences.flows import Sequence
from harness.sequences.instances import Instance, refused
from harness.sequences.labels import Condition
from harness.sequences.matcher import Letter, Possible, trail

__all__ = ["letter", "letters", "path", "run"]


def letters(
    sequence: Sequence, instance: Instance, word: Iterable[Event], shared: dict[int, int] | None = None
) -> list[Letter]:
    """The letter of each event of an instance. ``shared`` caches those that do not depend on the instance."""
    shared = {} if shared is None else shared
    return [letter(sequence, instance, event, shared) for event in word]


def letter(sequence: Sequence, instance: Instance, event: Event, shared: dict[int, int]) -> Letter:
    """The letter of one event; see :func:`letters`."""
    symbols = shared.get(event.n)
    if symbols is None:
        key = event.source, event.target, event.name
        symbols = _satisfied(event, sequence.symbols[key], instance.device)
        if key not in sequence.per_device:
            shared[event.n] = symbols
    return Letter(symbols, event.at)


def _satisfied(event: Event, candidates: Iterable[tuple[int, tuple[Condition, ...]]], device: str) -> int:
    symbols, failed, data = 0, refused(event), event.data
    for number, conditions in candidates:
        if failed and not any(condition.path == ("code",) for condition in conditions):
            continue
        for condition in conditions:
            if not condition.holds(data, device):
                break
        else:
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
