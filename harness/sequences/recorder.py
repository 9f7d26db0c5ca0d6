"""Turns a history into a diagram that accepts it, as the start of a new executable sequence."""

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

    ``about`` is ``device``, ``application`` or ``caller``; by default the first of ``application``, ``device`` and
    ``caller`` that the history has. The diagram accepts the history. Raises UsageError if there is nothing to record.
    """
    events = list(events)
    for subject in _subjects(about):
        types = {key: row for key, row in event_types().items() if row.subject is subject and not row.pending}
        words = collect(types, subject, events).words
        if words:
            return _render(words, subject, types, events)
    raise UsageError(f"this history has no events about {'an' if about == 'application' else 'a'} {about or 'device'}")


def _subjects(about: str | None) -> list[Subject]:
    if about is None:
        return [Subject.APPLICATION, Subject.DEVICE, Subject.CALLER]
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
    variants: dict[tuple[Arrow | Loop, ...], list[Instance]] = {}
    for instance, word in words.items():
        variants.setdefault(tuple(fold([arrow_of(event, types) for event in word])), []).append(instance)
    seen = {name for word in words.values() for event in word for name in (event.source, event.target)}
    items: list[Item] = [Caption("title", f"Recorded: {len(words)} {subject.value}{'s' if len(words) > 1 else ''}")]
    items += [Participant(name) for name in PARTICIPANTS if name in seen]
    items += _merge({tuple(recorded_items(variant)): found for variant, found in variants.items()})
    comments = [f"%% recorded from {sum(map(len, words.values()))} of {len(events)} events"]
    return "\n".join(comments) + "\n" + render(Diagram(tuple(items)))


def _merge(variants: Mapping[tuple[Item, ...], list[Instance]]) -> list[Item]:
    """The common beginning and end of all variants, and between them an ``alt`` of their differences."""
    every = list(variants)
    if len(every) == 1:
        return list(every[0])
    head = [column[0] for column in takewhile(_alike, zip(*every, strict=False))]
    rests = [variant[len(head) :] for variant in every]
    tail = [column[0] for column in takewhile(_alike, zip(*(reversed(rest) for rest in rests), strict=False))]
    sections = []
    for rest, instances in zip(rests, variants.values(), strict=True):
        names = ", ".join(map(str, instances[:3])) + (f" and {len(instances) - 3} more" if len(instances) > 3 else "")
        sections.append(Section(escape(names), rest[: len(rest) - len(tail)]))
    return [*head, Fragment("alt", tuple(sections)), *reversed(tail)]


def _alike(column: tuple[Item, ...]) -> bool:
    return all(item == column[0] for item in column)


def recorded_items(folded: Iterable[Arrow | Loop], *, counted: bool = False) -> list[Item]:
    """Folded arrows as items of a diagram; with ``counted`` a loop shows its number of turns."""
    return [
        item
        if isinstance(item, Arrow)
        else Fragment("loop", (Section(_turns(item, counted), tuple(recorded_items(item.body, counted=counted))),))
        for item in folded
    ]


def _turns(loop: Loop, counted: bool) -> str:
    return f"{loop.turns} times" if counted else "(1..*)"


def arrow_of(event: Event, types: Mapping[tuple[str, str, str], EventType]) -> Arrow:
    """An event as an executable arrow, with conditions on the key fields of its type."""
    row = types.get((event.source, event.target, event.name))
    conditions = []
    for path in row.key_fields if row else ():
        value: object = event.data
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str | bool) and not (isinstance(value, str) and set(value) & set('"<>\n\r')):
            wanted: Value = value
            conditions.append(Condition(tuple(path.split(".")), Comparison.EQUAL, (wanted,)))
    text = str(Label(event.name, tuple(conditions)))
    return Arrow(event.source, "->>", event.target, escape(text))
