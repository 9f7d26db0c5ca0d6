"""Assigns events to the instances of a flow.

An instance of a device's flow is a device, and one of a caller's flow a caller of the REST API. An instance of an
application's flow is an application on a device: it has the application's events that name that device or no device,
and the device's own events if the diagram has them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from harness.core.errors import UsageError
from harness.core.history import Event, Kind
from harness.sequences.bindings import PARTICIPANTS, EventType, Subject

__all__ = ["Instance", "Instances", "collect", "refused", "unknown_participants"]


@dataclass(frozen=True, slots=True, order=True)
class Instance:
    """``name`` is the device, the application or the caller that the flow is about, ``device`` the device of an
    application."""

    name: str
    device: str

    def __str__(self) -> str:
        return self.name if self.name == self.device else f"{self.name} on {self.device or 'no device'}"


@dataclass(slots=True)
class Instances:
    """The events of each instance in order, and remarks about events without an instance."""

    words: dict[Instance, list[Event]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


Key = tuple[str, str, str]


def refused(event: Event) -> bool:
    """Whether an event is a request that failed. It changed nothing, and conflicts are normal."""
    code = event.data.get("code")
    return isinstance(code, int) and code >= 400


def collect(
    types: Mapping[Key, EventType], subject: Subject, events: Iterable[Event], refusals: Collection[Key] = ()
) -> Instances:
    """Assign the ``events`` of ``types`` to the instances of a flow about ``subject``.

    Failed requests are left out, except those whose type is in ``refusals``.

    Raises UsageError for an invalid history: events out of order, or an event with two correlations.
    """
    judged = list(_judged(types, _ordered(events), refusals))
    found = Instances()
    if subject is Subject.CALLER:
        judged = [(event, subject, str(event.data.get("caller", "")), None) for event, _, _, _ in judged]
    if subject is not Subject.APPLICATION:
        for event, _, name, _ in judged:
            if name:
                found.words.setdefault(Instance(name, name), []).append(event)
    else:
        _applications(judged, found.words)
    named = "caller" if subject is Subject.CALLER else "device or application"
    nameless = sorted({event.name for event, _, name, _ in judged if not name})
    if nameless:
        found.remarks.append(f"left out, because they name no {named}: {', '.join(nameless)}")
    return found


_Judged = tuple[Event, Subject | None, str, tuple[str, ...] | None]
"""An event, its subject and name, and for an application's event the devices that it concerns (None: all)."""


def _applications(judged: list[_Judged], words: dict[Instance, list[Event]]) -> None:
    devices: dict[str, dict[str, None]] = {}
    for _, subject, name, named in judged:
        if subject is Subject.APPLICATION and name:
            devices.setdefault(name, {}).update(dict.fromkeys(named or ()))
    hosted: dict[str, list[Instance]] = {}
    of_application: dict[str, list[Instance]] = {}
    for application, where in devices.items():
        instances = [Instance(application, device) for device in where] or [Instance(application, "")]
        of_application[application] = instances
        for instance in instances:
            words[instance] = []
            hosted.setdefault(instance.device, []).append(instance)
    for event, subject, name, named in judged:
        if subject is not Subject.APPLICATION:
            concerned = hosted.get(name, [])
        elif named is None:
            concerned = of_application.get(name, [])
        else:
            concerned = [Instance(name, device) for device in named] if name else []
        for instance in concerned:
            words[instance].append(event)


def _judged(types: Mapping[Key, EventType], events: Iterable[Event], refusals: Collection[Key]) -> Iterable[_Judged]:
    for event in events:
        row = types.get((event.source, event.target, event.name))
        if row is None or event.kind is not Kind.MESSAGE or (refused(event) and row.key not in refusals):
            continue
        subject, name = row.about(event)
        if not name and row.name_prefix is not None:
            continue
        if subject is not Subject.APPLICATION:
            own = event.data.get("device")
            if own is not None and event.correlation and own != event.correlation:
                raise _two_names(event, str(own))
            yield event, subject, name, None
        else:
            own = event.data.get("applicationId")
            if own is not None and own != event.correlation:
                raise _two_names(event, str(own))
            yield event, subject, name, _devices(event)


def _two_names(event: Event, other: str) -> UsageError:
    return UsageError(
        f"event {event.n} ({event.name}) has two correlations: {event.correlation!r} and {other!r}",
        where="history",
        do="a tap must name one device or application, the same in the correlation and in the data",
    )


def _devices(event: Event) -> tuple[str, ...] | None:
    """The devices that an application's event concerns. A patch of only some devices' statuses concerns those."""
    if (device := event.data.get("device")) is not None:
        return (str(device),)
    status = event.data.get("status")
    if event.name.startswith("PATCH ") and isinstance(status, Mapping) and set(status) == {"deviceStatuses"}:
        devices = status["deviceStatuses"]
        return tuple(map(str, devices)) if isinstance(devices, Mapping) else ()
    return None


def _ordered(events: Iterable[Event]) -> Iterable[Event]:
    before: Event | None = None
    for event in events:
        if before is not None and (event.n <= before.n or not event.at >= before.at):
            raise UsageError(
                f"event {event.n} at {event.at:.3f} s comes after event {before.n} at {before.at:.3f} s",
                where="history",
                do="keep a history in the order of its recording; do not sort or merge it",
            )
        before = event
        yield event


def unknown_participants(events: Iterable[Event]) -> list[str]:
    """The participants of messages that no diagram can name."""
    names = {name for event in events if event.kind is Kind.MESSAGE for name in (event.source, event.target)}
    return sorted(name for name in names if name not in PARTICIPANTS and name not in ("", "Harness"))
