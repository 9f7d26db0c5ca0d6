"""The verdict of a sequence, and its text: a few arrows around the first event that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.core.errors import ProductFailure
from harness.core.history import Event
from harness.sequences.flows import Sequence
from harness.sequences.instances import Instance
from harness.sequences.words import letters, path, run

__all__ = ["Finding", "InstanceVerdict", "Mismatch", "SequenceVerdict", "route"]

_BEFORE, _AFTER, _SHOWN, _RAW, _FIELDS = 3, 2, 3, 1_200, 4


class Mismatch(StrEnum):
    """The kinds of differences."""

    MISSING = "missing"
    """An arrow of the diagram was not seen."""
    EXTRA = "extra"
    """An event was seen that the diagram does not allow here."""
    MISPLACED = "misplaced"
    """An arrow of the diagram was seen, but not where it belongs."""
    DIFFERENT = "different"
    """The event came, with other data."""
    LATE = "late"
    """The event came after its time limit."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The simplest explanation: the kind of difference, its text, and the arrows (positions) that it is about.

    For MISPLACED, ``event`` is the index in the instance's events of the one that was seen elsewhere.
    """

    mismatch: Mismatch
    text: str
    arrows: tuple[int, ...] = ()
    event: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceVerdict:
    """One device, or one application on a device.

    ``place`` is the index in ``events`` of the first that is not allowed there, or their number if the history ended
    too early; None if the instance followed the sequence. ``expected`` are the positions of the arrows allowed there.
    """

    instance: Instance
    events: tuple[Event, ...]
    place: int | None
    expected: tuple[int, ...]
    finding: Finding | None = None

    @property
    def ok(self) -> bool:
        return self.place is None

    @property
    def event(self) -> Event | None:
        """The first event that differs; None if there is none, or if the history ended too early."""
        return self.events[self.place] if self.place is not None and self.place < len(self.events) else None


@dataclass(frozen=True, slots=True)
class SequenceVerdict:
    """Whether a history follows a sequence, and where not. ``str()`` is a text for people."""

    sequence: Sequence
    instances: tuple[InstanceVerdict, ...]
    remarks: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return bool(self.instances) and all(instance.ok for instance in self.instances)

    @property
    def failures(self) -> tuple[InstanceVerdict, ...]:
        return tuple(instance for instance in self.instances if not instance.ok)

    def raise_on_failure(self, party: str = "") -> None:
        """Raise ProductFailure with the verdict's text if it is not ok. ``party``: whom it convicts."""
        if not self.ok:
            convicted = f"\nconvicts {party}" if party else ""
            raise ProductFailure(f"{self}{convicted}", where=f"sequence {self.sequence.name}", party=party)

    def suspect(self) -> tuple[str, str]:
        """The participant of the first failure whose doing it is, and the device that it is about: the sender of the
        arrow that is missing, or of the event that does not belong there. Empty where there is none."""
        for failure in self.failures:
            instance = failure.instance
            device = instance.device or (instance.name if self.sequence.subject.value == "device" else "")
            finding = failure.finding
            missing = finding is not None and finding.mismatch is Mismatch.MISSING
            if finding is not None and finding.arrows and (missing or failure.event is None):
                return self.sequence.arrows[finding.arrows[0]].event.source, device
            if failure.event is not None:
                return failure.event.source, device
            if failure.expected:
                return self.sequence.arrows[failure.expected[0]].event.source, device
        return "", ""

    def differing_field(self) -> str:
        """The field of a Device's status by which the first failure's event, a write, differs from the expected one;
        empty where it differs otherwise."""
        for failure in self.failures[:1]:
            event, device = failure.event, failure.instance.device or failure.instance.name
            if event is None or event.name != "PATCH Device":
                continue
            for arrow in (self.sequence.arrows[position] for position in failure.expected):
                for condition in arrow.label.conditions if arrow.event.key == _key(event) else ():
                    if condition.path[0] == "status" and not condition.holds(event.data, device):
                        return condition.path[-1]
        return ""

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        subject = self.sequence.subject.value
        count = len(self.instances)
        if not count:
            named = f" {' or '.join(self.only)}" if self.only else ""
            yield f"the history has no event of this sequence for any {subject}{named}, so it does not follow it"
            first = self.sequence.arrows[0]
            yield f"  the first expected arrow: {first}   ({first.where})"
        elif self.ok:
            yield f"{self._all()} followed it"
        elif count == self._subjects():
            yield f"{len(self.failures)} of {self._all()} did not follow it"
        else:
            yield f"{self._all()}: {len(self.failures)} of {count} did not follow it"
        alike: dict[object, list[InstanceVerdict]] = {}
        for failure in self.failures:
            event = failure.event
            kind = (event.source, event.target, event.name) if event else None
            alike.setdefault((failure.place, failure.expected, kind), []).append(failure)
        for failures in list(alike.values())[:_SHOWN]:
            yield ""
            yield from self._failure(failures[0])
            if others := failures[1:]:
                yield f"    {'likewise':<10}{_names(others)}"
        if rest := [failure for failures in list(alike.values())[_SHOWN:] for failure in failures]:
            yield f"\nother failures: {_names(rest)}"
        for remark in self.remarks:
            yield f"note: {remark}"

    def _subjects(self) -> int:
        return len({verdict.instance.name for verdict in self.instances})

    def _all(self) -> str:
        """The judged instances in words: an application on twenty devices is one application."""
        subjects, count = self._subjects(), len(self.instances)
        devices = len({verdict.instance.device for verdict in self.instances if verdict.instance.device})
        what = _count(subjects, self.sequence.subject.value)
        if count == subjects:
            return what
        return f"{what} on {_count(devices, 'device')}" + (f", {count} pairs" if subjects > 1 else "")

    def _failure(self, failure: InstanceVerdict) -> Iterator[str]:
        place = failure.place or 0
        finding = failure.finding
        start = max(place - _BEFORE, 0)
        shown = failure.events[start : place + 1 + _AFTER]
        lines = dict(enumerate(self._routes(failure, shown), start))
        yield f"{failure.instance}: {finding.text if finding else f'event {place + 1} differs'}"
        if start:
            yield f"    {'...':<10}{start} events as expected"
        for index in range(start, place):
            yield f"    {'seen':<10}{lines.pop(index)}"
        for position in failure.expected:
            arrow = self.sequence.arrows[position]
            is_missing = finding and position in finding.arrows and finding.mismatch is Mismatch.MISSING
            yield f"  > {'expected':<10}{arrow}   ({arrow.where}){' <- missing' if is_missing else ''}"
        if not failure.expected:
            last = self.sequence.arrows[self._path(failure)[-1]]
            yield f"  > {'expected':<10}nothing more, the diagram ends here   ({last.where})"
        if failure.event is None:
            yield f"  x {'seen':<10}nothing more: the history ends here"
            return
        yield f"  x {'seen':<10}{lines.pop(place)}"
        for line in lines.values():
            yield f"    {'then':<10}{line}"
        raw = failure.event.to_json()
        yield f"    {'raw':<10}{raw if len(raw) <= _RAW else raw[:_RAW] + '... (cut)'}"

    def _routes(self, failure: InstanceVerdict, events: Iterable[Event]) -> Iterator[str]:
        """The events as arrows. Lines that would look the same show the fields by which the diagram tells their events
        apart; the event that differs shows the fields that an expected arrow of its type has conditions on."""
        events = list(events)
        fields = [self._asked_fields(event, failure.instance.device) for event in events]
        expected = {self.sequence.arrows[position].event.key for position in failure.expected}
        for event, own in zip(events, fields, strict=True):
            alike = [other for each, other in zip(events, fields, strict=True) if route(each) == route(event)]
            if event is failure.event and _key(event) in expected:
                yield route(event, own.values())
            else:
                yield route(event, [text for name, text in own.items() if any(text != other[name] for other in alike)])

    def _asked_fields(self, event: Event, device: str) -> dict[str, str]:
        """The fields of an event on which arrows of its type have conditions, by path, as a diagram writes them:
        ``state = running``, ``publications``, ``no publications``."""
        found = {}
        for arrow in self.sequence.arrows:
            for condition in arrow.label.conditions if arrow.event.key == _key(event) else ():
                value = condition.value_in(event.data, device)
                name = ".".join(condition.path)
                inside = isinstance(value, dict | list | tuple)
                found[name] = f"no {name}" if value is None else name if inside else f"{name} = {value}"
        return found

    def _path(self, failure: InstanceVerdict) -> list[int]:
        """The arrows taken before the place that differs."""
        word = letters(self.sequence, failure.instance, failure.events[: failure.place])
        return path(self.sequence, run(self.sequence, word))


def _names(failures: list[InstanceVerdict]) -> str:
    names = ", ".join(str(failure.instance) for failure in failures[:10])
    return f"{names}{f' and {len(failures) - 10} more' if len(failures) > 10 else ''}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _key(event: Event) -> tuple[str, str, str]:
    return event.source, event.target, event.name


def route(event: Event, fields: Iterable[str] = ()) -> str:
    """An event as an arrow, with its key fields and further ``fields``; a change without a phase names its fields."""
    status = event.data.get("status")
    status = status if isinstance(status, dict) else {}
    shown = {"status.phase": status.get("phase")}
    request = event.name.startswith(("PATCH ", "POST ", "PUT ", "DELETE "))
    if event.name.startswith("PATCH ") and isinstance(devices := status.get("deviceStatuses"), dict):
        entries = [(name, found) for name, found in devices.items() if isinstance(found, dict)]
        shown |= {f"{name}.state": found.get("state") for name, found in entries[:2]}
    if event.name.startswith("PATCH ") and not any(shown.values()):
        shown["changed"] = _changed(event, status) or None
    shown |= {key: event.data.get(key) for key in ("code", "ok", "state", "reason")}
    if request and shown["code"] in (200, 201):
        shown["code"] = None
    texts = [f"{key} = {value}" for key, value in shown.items() if value is not None]
    texts += [text for text in fields if text not in texts]
    return f"{event.source}->>{event.target}: {event.name}" + (f" ({', '.join(texts)})" if texts else "")


def _changed(event: Event, status: dict[str, Any]) -> str:
    """The fields that a request changed: those of the status by name, else the parts of the spec."""
    if status:
        return " ".join(f"status.{name}" for name in list(status)[:_FIELDS])
    spec = event.data.get("spec")
    return " ".join(f"spec.{name}" for name in list(spec)[:_FIELDS]) if isinstance(spec, dict) else ""
