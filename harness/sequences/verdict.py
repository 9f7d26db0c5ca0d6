"""What the oracle says, and says it to people: the few arrows around the first place that differs."""

from __future__ import annotations

from collections.abc import Iterator
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
    """What is wrong at the first place that differs."""

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
    """The simplest explanation: the ``trouble``, in words, and the arrows (positions) that it is about.

    ``event`` is the index in the instance's events of the one that was seen elsewhere, for MISPLACED.
    """

    trouble: Mismatch
    text: str
    arrows: tuple[int, ...] = ()
    event: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceVerdict:
    """One device, or one application on a device.

    ``place`` is the index in ``events`` of the first that must not come there (their number: the history ended too
    early), None where all is well; ``expected`` are the positions of the arrows that could have come instead.
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
        """The first event that differs; None where all is well or the history ended."""
        return self.events[self.place] if self.place is not None and self.place < len(self.events) else None


@dataclass(frozen=True, slots=True)
class SequenceVerdict:
    """Whether a history follows a sequence, and where not. ``str()`` is for people."""

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

    def raise_on_failure(self) -> None:
        """Raise ProductFailure with the verdict's text if it is not ok."""
        if not self.ok:
            raise ProductFailure(str(self), where=f"sequence {self.sequence.name}")

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        subject = self.sequence.subject.value
        count = len(self.instances)
        if not count:
            named = f" {' or '.join(self.only)}" if self.only else ""
            yield f"no event of this sequence was seen for any {subject}{named}, so the history does not follow it"
            first = self.sequence.arrows[0]
            yield f"  the first arrow that was expected: {first}   ({first.where})"
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
            yield f"\nothers in other ways: {_names(rest)}"
        for remark in self.remarks:
            yield f"note: {remark}"

    def _subjects(self) -> int:
        return len({verdict.instance.name for verdict in self.instances})

    def _all(self) -> str:
        """What was judged: an application on twenty devices is one application."""
        subjects, count = self._subjects(), len(self.instances)
        devices = len({verdict.instance.device for verdict in self.instances if verdict.instance.device})
        what = _count(subjects, self.sequence.subject.value)
        if count == subjects:
            return what
        return f"{what} on {_count(devices, 'device')}" + (f", {count} pairs" if subjects > 1 else "")

    def _failure(self, failure: InstanceVerdict) -> Iterator[str]:
        place = failure.place or 0
        finding = failure.finding
        yield f"{failure.instance}: {finding.text if finding else f'event {place + 1} differs'}"
        start = max(place - _BEFORE, 0)
        if start:
            yield f"    {'...':<10}{start} events as they should be"
        for event in failure.events[start:place]:
            yield f"    {'seen':<10}{route(event)}"
        for position in failure.expected:
            arrow = self.sequence.arrows[position]
            wanted = (
                " <- missing" if finding and position in finding.arrows and finding.trouble is Mismatch.MISSING else ""
            )
            yield f"  > {'expected':<10}{arrow}   ({arrow.where}){wanted}"
        if not failure.expected:
            last = self.sequence.arrows[self._way(failure)[-1]]
            yield f"  > {'expected':<10}nothing more, the diagram ends here   ({last.where})"
        if failure.event is None:
            yield f"  x {'seen':<10}nothing more: the history ends here"
            return
        yield f"  x {'seen':<10}{route(failure.event)}"
        for event in failure.events[place + 1 : place + 1 + _AFTER]:
            yield f"    {'then':<10}{route(event)}"
        raw = failure.event.to_json()
        yield f"    {'raw':<10}{raw if len(raw) <= _RAW else raw[:_RAW] + '... (cut)'}"

    def _way(self, failure: InstanceVerdict) -> list[int]:
        """The arrows that were taken before the place that differs."""
        word = letters(self.sequence, failure.instance, failure.events[: failure.place])
        return path(self.sequence, run(self.sequence, word))


def _names(failures: list[InstanceVerdict]) -> str:
    names = ", ".join(str(failure.instance) for failure in failures[:10])
    return f"{names}{f' and {len(failures) - 10} more' if len(failures) > 10 else ''}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def route(event: Event) -> str:
    """An event as an arrow, with the data that tells it apart; of a change without a phase, what it changed."""
    status = event.data.get("status")
    status = status if isinstance(status, dict) else {}
    telling = {"status.phase": status.get("phase")}
    request = event.name.startswith(("PATCH ", "POST ", "PUT ", "DELETE "))
    if event.name.startswith("PATCH ") and isinstance(devices := status.get("deviceStatuses"), dict):
        told = [(name, found) for name, found in devices.items() if isinstance(found, dict)]
        telling |= {f"{name}.state": found.get("state") for name, found in told[:2]}
    if event.name.startswith("PATCH ") and not any(telling.values()):
        telling["changed"] = _changed(event, status) or None
    telling |= {key: event.data.get(key) for key in ("code", "ok", "state", "reason")}
    if request and telling["code"] in (200, 201):
        telling["code"] = None
    said = ", ".join(f"{key} = {value}" for key, value in telling.items() if value is not None)
    return f"{event.source}->>{event.target}: {event.name}{f' ({said})' if said else ''}"


def _changed(event: Event, status: dict[str, Any]) -> str:
    """Which fields a request was about: those of the status by name, else the parts of the object."""
    if status:
        return " ".join(f"status.{name}" for name in list(status)[:_FIELDS])
    spec = event.data.get("spec")
    return " ".join(f"spec.{name}" for name in list(spec)[:_FIELDS]) if isinstance(spec, dict) else ""
