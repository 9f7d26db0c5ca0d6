"""The other way round: a history becomes a diagram that accepts it, to start a new executable sequence from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile

from harness.core.errors import UsageError
from harness.core.history import Event
from harness.sequences.bindings import PARTICIPANTS, EventType, Subject, event_types
from harness.sequences.folding import Loop, fold
from harness.sequences.instances import Instance, collect
from harness.sequences.labels import Comparison, Condition, Label, Value
from harness.sequences.tree import Arrow, Caption, Diagram, Fragment, Item, Participant, Section
from harness.sequences.writer import escape, render

__all__ = ["arrow_of", "record", "recorded_items"]


def record(events: Iterable[Event], about: str | None = None) -> str:
    """The history as Mermaid text: repetitions become loops, and instances that differ become an ``alt``.

    ``about`` is ``device`` or ``application``; without it, applications if the history has any. The diagram accepts
    the history that it comes from. Raises UsageError if there is nothing to record.
    """
    events = list(events)
    for subject in _subjects(about):
        types = {key: row for key, row in event_types().items() if row.subject is subject and not row.pending}
        words = collect(types, subject, events).words
        if words:
            return _render(words, subject, types, events)
    raise UsageError(f"nothing in this history is about {f'an {about}' if about == 'application' else 'a device'}")


def _subjects(about: str | None) -> list[Subject]:
    if about is None:
        return [Subject.APPLICATION, Subject.DEVICE]
    try:
        return [Subject(about)]
    except ValueError as error:
        do = f"choose {' or '.join(subject.value for subject in Subject)}"
        raise UsageError(f"a sequence cannot be about {about!r}", do=do) from error


def _render(
    words: Mapping[Instance, list[Event]],
    subject: Subject,
    types: Mapping[tuple[str, str, str], EventType],
    events: list[Event],
) -> str:
    ways: dict[tuple[Arrow | Loop, ...], list[Instance]] = {}
    for instance, word in words.items():
        ways.setdefault(tuple(fold([arrow_of(event, types) for event in word])), []).append(instance)
    seen = {name for word in words.values() for event in word for name in (event.source, event.target)}
    items: list[Item] = [Caption("title", f"Recorded: {len(words)} {subject.value}{'s' if len(words) > 1 else ''}")]
    items += [Participant(name) for name in PARTICIPANTS if name in seen]
    items += _merge({tuple(recorded_items(way)): found for way, found in ways.items()})
    comments = [f"%% recorded from {sum(map(len, words.values()))} of {len(events)} events"]
    return "\n".join(comments) + "\n" + render(Diagram(tuple(items)))


def _merge(ways: Mapping[tuple[Item, ...], list[Instance]]) -> list[Item]:
    """What all have in common at the beginning and at the end, and between the two an ``alt`` of how they differ."""
    every = list(ways)
    if len(every) == 1:
        return list(every[0])
    head = [column[0] for column in takewhile(_alike, zip(*every, strict=False))]
    rests = [way[len(head) :] for way in every]
    tail = [column[0] for column in takewhile(_alike, zip(*(reversed(rest) for rest in rests), strict=False))]
    sections = []
    for rest, instances in zip(rests, ways.values(), strict=True):
        names = ", ".join(map(str, instances[:3])) + (f" and {len(instances) - 3} more" if len(instances) > 3 else "")
        sections.append(Section(escape(names), rest[: len(rest) - len(tail)]))
    return [*head, Fragment("alt", tuple(sections)), *reversed(tail)]


def _alike(column: tuple[Item, ...]) -> bool:
    return all(item == column[0] for item in column)


def recorded_items(folded: Iterable[Arrow | Loop], *, counted: bool = False) -> list[Item]:
    """Folded arrows as items of a diagram; ``counted`` writes beside a loop how often it was seen."""
    return [
        item
        if isinstance(item, Arrow)
        else Fragment("loop", (Section(_turns(item, counted), tuple(recorded_items(item.body, counted=counted))),))
        for item in folded
    ]


def _turns(loop: Loop, counted: bool) -> str:
    return f"{loop.turns} times" if counted else "(1..*)"


def arrow_of(event: Event, types: Mapping[tuple[str, str, str], EventType]) -> Arrow:
    """An event as an executable arrow, with conditions on the fields that tell events of its type apart."""
    row = types.get((event.source, event.target, event.name))
    conditions = []
    for path in row.telling if row else ():
        value: object = event.data
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str | bool) and not (isinstance(value, str) and set(value) & set('"<>\n\r')):
            told: Value = value
            conditions.append(Condition(tuple(path.split(".")), Comparison.EQUAL, (told,)))
    text = str(Label(event.name, tuple(conditions)))
    return Arrow(event.source, "->>", event.target, escape(text))
