"""Every small change of a history that followed its diagram must be noticed - or is itself allowed by the diagram.

For each of the project's flows: histories that together take every arrow, and from each of them every history that
differs by one event dropped, swapped with the next, doubled, sent elsewhere, late, or with one value changed. What the
oracle then still accepts must be a word by a second, naive reading of the diagram, and has a reason in words.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from harness.core.history import Event
from harness.sequences import Sequence, judge, load
from harness.sequences.behaviour import Behaviour, Block, BoundArrow, Limit, expand
from harness.sequences.bindings import PARTICIPANTS, Subject
from harness.sequences.fields import EventField
from harness.sequences.flows import catalogue
from harness.sequences.instances import Instance, collect
from harness.sequences.labels import Comparison, Condition
from harness.sequences.matcher import Configuration
from harness.sequences.tree import Diagram, Fragment
from harness.sequences.words import letters, path, run

DEVICE, APPLICATION = "board-1", "blink"
STEP = 0.01
FLOWS = [flow.name for flow in catalogue().flows if not flow.pending]
_SAMPLE = 10
"""One in this number of caught mutants is also judged with explanations, and by the naive judge."""
KINDS = ("drop", "swap", "duplicate", "retarget", "alter", "late")


@dataclass(frozen=True)
class Mutant:
    """A changed history: the kind of change, and the event (by its index in the original) that it happened to."""

    kind: str
    index: int
    events: list[Event]


@pytest.mark.parametrize("name", FLOWS)
def test_every_mutant_is_caught_or_is_a_word_itself(
    name: str, build: Any, record_property: Callable[[str, object], None]
) -> None:
    sequence = load(name)
    naive = _Naive(sequence)
    histories = list(_histories(sequence, build))
    made: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    for events in histories:
        assert judge(sequence, events).ok
        arrows = _arrows(sequence, events)
        for mutant in _mutants(sequence, events, arrows):
            made[mutant.kind] += 1
            accepted = _follows(sequence, mutant.events)
            if accepted or made.total() % _SAMPLE == 0:
                assert accepted == judge(sequence, mutant.events).ok
                assert accepted == naive.accepts(mutant.events), (mutant.kind, mutant.index)
            if not accepted:
                caught[mutant.kind] += 1
                continue
            reason = _reason(sequence, mutant, events, arrows)
            assert reason, (mutant.kind, str(arrows[mutant.index]), mutant.events)
            survived[f"{mutant.kind}: {reason}"] += 1
    counts = {"made": {kind: made[kind] for kind in KINDS}, "caught": {kind: caught[kind] for kind in KINDS}}
    record_property("mutants", {"sequence": name, "histories": len(histories), "survived": dict(survived), **counts})
    assert made["drop"] >= len(sequence.arrows)
    assert caught.total() > made.total() / 2


# histories that take every arrow


def _histories(sequence: Sequence, build: Any) -> Iterator[list[Event]]:
    missing = set(range(len(sequence.arrows)))
    while missing:
        way = _way_through(sequence, min(missing))
        missing -= set(way)
        events = []
        for number, position in enumerate(way):
            arrow = sequence.arrows[position]
            events.append(build.event(number, arrow.event, build.data(arrow.event, arrow.label.conditions)))
        yield events


def _way_through(sequence: Sequence, wanted: int) -> list[int]:
    """The fewest arrows from the beginning over ``wanted`` to an end."""
    matcher = sequence.matcher
    start = next(iter(matcher.start))
    before, there = _search(sequence, start, lambda _, position: position == wanted)
    if matcher.accepting({there: None}) is not None:
        return before
    after, _ = _search(sequence, there, lambda configuration, _: matcher.accepting({configuration: None}) is not None)
    return before + after


def _search(
    sequence: Sequence, start: Configuration, reached: Callable[[Configuration, int], bool]
) -> tuple[list[int], Configuration]:
    queue: deque[tuple[Configuration, list[int]]] = deque([(start, [])])
    seen = {start[0]}
    while queue:
        configuration, way = queue.popleft()
        here = {configuration: None}
        for position in sequence.matcher.expected(here):
            for after in sequence.matcher.insert(here, position, 0.0):
                if reached(after, position):
                    return [*way, position], after
                if after[0] not in seen:
                    seen.add(after[0])
                    queue.append((after, [*way, position]))
    raise AssertionError("no way")


def _arrows(sequence: Sequence, events: list[Event]) -> list[BoundArrow]:
    instance = Instance(APPLICATION if sequence.subject is Subject.APPLICATION else DEVICE, DEVICE)
    return [
        sequence.arrows[position] for position in path(sequence, run(sequence, letters(sequence, instance, events)))
    ]


def _follows(sequence: Sequence, events: list[Event]) -> bool:
    """The verdict's ``ok``, without explanations."""
    words = collect(sequence.events, sequence.subject, events, sequence.refusals).words
    runs = [(word, run(sequence, letters(sequence, instance, word))) for instance, word in words.items()]
    ended = [len(steps) > len(word) and sequence.matcher.accepting(steps[-1]) is not None for word, steps in runs]
    return bool(ended) and all(ended)


# the changes


def _mutants(sequence: Sequence, events: list[Event], arrows: list[BoundArrow]) -> Iterator[Mutant]:
    limited = _limits(sequence)
    for index, (event, arrow) in enumerate(zip(events, arrows, strict=True)):
        yield Mutant("drop", index, _timed(events[:index] + events[index + 1 :]))
        yield Mutant("duplicate", index, _timed([*events[: index + 1], event, *events[index + 1 :]]))
        if index + 1 < len(events):
            swapped = [*events[:index], events[index + 1], event, *events[index + 2 :]]
            yield Mutant("swap", index, _timed(swapped))
        for change in _elsewhere(event):
            yield Mutant("retarget", index, _timed([*events[:index], change, *events[index + 1 :]]))
        for data in _other_data(arrow, event):
            yield Mutant("alter", index, _timed([*events[:index], replace(event, data=data), *events[index + 1 :]]))
        if index and arrow.position in limited:
            late = [replace(later, at=later.at + limited[arrow.position] + 1) for later in events[index:]]
            yield Mutant("late", index, [*events[:index], *late])


def _timed(events: list[Event]) -> list[Event]:
    return [
        event if event.n == number and event.at == number * STEP else replace(event, n=number, at=number * STEP)
        for number, event in enumerate(events)
    ]


def _elsewhere(event: Event) -> Iterator[Event]:
    others = [name for name in PARTICIPANTS if name not in (event.source, event.target)]
    yield replace(event, target=others[0])
    yield replace(event, source=others[-1])
    yield replace(event, source=event.target, target=event.source)


def _other_data(arrow: BoundArrow, event: Event) -> Iterator[dict[str, Any]]:
    for condition in arrow.label.conditions:
        for value in _other_values(condition, arrow.event.fields):
            data = copy.deepcopy(dict(event.data))
            *parents, last = (DEVICE if part == "{device}" else part for part in condition.path)
            holder = data
            for part in parents:
                holder = holder[part] if isinstance(holder.get(part), dict) else holder.setdefault(part, {})
            if value is _GONE:
                del holder[last]
            else:
                holder[last] = value
            yield data


_GONE = object()


def _other_values(condition: Condition, fields: Any) -> Iterator[object]:
    if condition.test is Comparison.PRESENT:
        yield from (_GONE, None)
    elif condition.test is Comparison.ABSENT:
        yield "there"
    elif condition.test is Comparison.DIFFERENT:
        yield condition.values[0]
    else:
        item = EventField(inside=fields)
        for part in condition.path:
            item = (item.inside or {}).get(part) or item.others or EventField()
        known = {"true": True, "false": False}
        yield from (known.get(value, value) for value in item.values if known.get(value, value) not in condition.values)
        yield from ("something else", _GONE)


def _limits(sequence: Sequence) -> dict[int, float]:
    """The arrows that directly follow a time limit."""
    found: dict[int, float] = {}

    def look(items: tuple[Behaviour, ...]) -> None:
        for item, after in zip(items, (*items, None)[1:], strict=True):
            if isinstance(item, Limit) and isinstance(after, BoundArrow):
                found[after.position] = item.seconds
            elif isinstance(item, Block):
                for section in item.sections:
                    look(section)

    look(_behaviour(sequence))
    return found


# the second reading: what remains of a diagram after each event, by trying everything


def _behaviour(sequence: Sequence) -> tuple[Behaviour, ...]:
    def refer(name: str, where: str) -> tuple[Diagram, str, str]:
        raise AssertionError(name)

    return expand(replace(sequence.diagram, items=_without_refs(sequence.diagram.items)), "", "", refer).behaviour


def _without_refs(items: Any) -> Any:
    return tuple(
        replace(
            item,
            kind="rect" if item.kind == "ref" else item.kind,
            sections=tuple(replace(section, items=_without_refs(section.items)) for section in item.sections),
        )
        if isinstance(item, Fragment)
        else item
        for item in items
    )


Rest = tuple[Behaviour | tuple[Any, ...], ...]


def _identity(item: Any) -> Any:
    """A key by what a state consists of: the parts of the tree as objects, for to hash them is to walk through them."""
    if isinstance(item, tuple):
        return tuple(map(_identity, item))
    return item if isinstance(item, float) else id(item)


class _Naive:
    """Membership by a walk over the tree; limits are judged by the distance to the event before in the same flow."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._behaviour = _behaviour(sequence)
        self._keys = {arrow.event.key for arrow in sequence.arrows}
        self._turned: dict[int, tuple[Block, Rest]] = {}

    def accepts(self, events: list[Event]) -> bool:
        judged = [event for event in events if (event.source, event.target, event.name) in self._keys]
        mine = [event for event in judged if _concerns_the_device(event)]
        states: list[tuple[Rest, float | None]] = [(self._behaviour, None)]
        for event in mine:
            after = [state for rest, since in states for state in self._step(rest, since, None, event)]
            states = list({_identity(state): state for state in after}.values())
        return bool(mine) and any(self._may_end(rest) for rest, _ in states)

    def _step(
        self, items: Rest, since: float | None, limit: float | None, event: Event
    ) -> Iterator[tuple[Rest, float | None]]:
        """The rest of ``items``, and the time at which this flow moved."""
        if not items:
            return
        first, rest = items[0], items[1:]
        if isinstance(first, Limit):
            yield from self._step(rest, since, first.seconds, event)
            return
        if isinstance(first, BoundArrow):
            in_time = limit is None or since is None or event.at - since <= limit + 1e-6
            if in_time and self._fits(first, event):
                yield rest, event.at
            return
        if isinstance(first, tuple):
            yield from self._parallel(first, rest, event)
        elif first.kind == "par":
            yield from self._parallel(tuple((section, since) for section in first.sections), rest, event, limit)
        else:
            for section in first.sections:
                for inside, at in self._step(section, since, limit, event):
                    yield (*inside, *self._again(first), *rest), at
        if self._may_end((first,)):
            yield from self._step(rest, since, limit, event)

    def _parallel(
        self, sections: tuple[Any, ...], rest: Rest, event: Event, limit: float | None = None
    ) -> Iterator[tuple[Rest, float | None]]:
        for index, (section, since) in enumerate(sections):
            for inside, at in self._step(section, since, limit, event):
                left = (*sections[:index], (inside, at), *sections[index + 1 :])
                yield (left, *rest), at

    def _again(self, block: Block) -> Rest:
        """The steps after one turn: the same object for the same block, which it keeps alive."""
        if block.kind != "loop" or block.most == 1:
            return ()
        if id(block) not in self._turned:
            most = None if block.most is None else block.most - 1
            self._turned[id(block)] = block, (replace(block, least=max(block.least - 1, 0), most=most),)
        return self._turned[id(block)][1]

    def _may_end(self, items: Rest) -> bool:
        return all(self._optional(item) for item in items)

    def _optional(self, item: Behaviour | tuple[Any, ...]) -> bool:
        if isinstance(item, Limit):
            return True
        if isinstance(item, BoundArrow):
            return False
        if isinstance(item, tuple):
            return all(self._may_end(section) for section, _ in item)
        if item.kind == "opt" or (item.kind == "alt" and len(item.sections) == 1):
            return True
        if item.kind == "loop" and not item.least:
            return True
        ended = [self._may_end(section) for section in item.sections]
        return any(ended) if item.kind == "alt" else all(ended)

    @staticmethod
    def _fits(arrow: BoundArrow, event: Event) -> bool:
        if arrow.event.key != (event.source, event.target, event.name):
            return False
        return all(condition.holds(event.data, DEVICE) for condition in arrow.label.conditions)


def _concerns_the_device(event: Event) -> bool:
    status = event.data.get("status")
    return not isinstance(status, dict) or set(status) != {"deviceStatuses"} or DEVICE in status["deviceStatuses"]


# why a mutant may live

_OPTIONAL = {"opt", "loop", "alt"}


def _reason(sequence: Sequence, mutant: Mutant, events: list[Event], arrows: list[BoundArrow]) -> str:
    arrow = arrows[mutant.index]
    here = set(arrow.fragments)
    match mutant.kind:
        case "drop" | "retarget" if here & _OPTIONAL or _has_loop_of(sequence, arrow):
            return "what may be absent, or come fewer times"
        case "duplicate" if "loop" in here or _has_loop_of(sequence, arrow):
            return "what may come again"
        case "swap":
            other = arrows[mutant.index + 1]
            if arrow.event.key == other.event.key and events[mutant.index].data == events[mutant.index + 1].data:
                return "two alike"
            if "par" in here & set(other.fragments):
                return "sections that run in parallel"
            if "loop" in here | set(other.fragments):
                return "turns of a loop in another order"
        case "alter" if not _concerns_the_device(mutant.events[mutant.index]):
            return "what may be absent, and was made to be about no device"
        case "alter":
            return "what another arrow of the diagram asks for" if _asked_elsewhere(sequence, mutant, arrow) else ""
        case _:
            pass
    return ""


def _has_loop_of(sequence: Sequence, arrow: BoundArrow) -> bool:
    alike = [other for other in sequence.arrows if other.event.key == arrow.event.key]
    return any({"loop", "opt"} & set(other.fragments) for other in alike)


def _asked_elsewhere(sequence: Sequence, mutant: Mutant, arrow: BoundArrow) -> bool:
    changed = mutant.events[mutant.index]
    return any(
        other.label != arrow.label
        and other.event.key == arrow.event.key
        and all(condition.holds(changed.data, DEVICE) for condition in other.label.conditions)
        for other in sequence.arrows
    )
