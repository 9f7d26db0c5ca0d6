"""The rules. Each reads a history from its beginning and tells every event at which it was broken.

A rule about something that must happen in time is broken only where the history goes on past that time: a record
that ends early proves nothing.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harness.core.errors import ProductFailure
from harness.core.history import Event, Kind
from harness.invariants.unwanted import nothing_runs_unwanted
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.phases import MOVES, is_legal

__all__ = ["RULES", "Violation", "find_violations", "judge"]

K = TypeVar("K", bound=Hashable)

ANSWER_TIME = 60.0
"""Seconds within which a deployment that a gateway took on must have an outcome."""
_LONGEST = 1e12
"""Milliseconds between two heartbeats; a history may name more than a float holds."""
_RESOURCES = {resource.kind: resource for resource in (DEVICE, APPLICATION, GATEWAY)}


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule, the event at which it was broken, and how."""

    rule: str
    event: Event
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message} (event {self.event.n})"


def legal_phases(events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """Every resource goes only from a phase to one that may follow it."""
    phases: dict[tuple[str, str], str] = {}
    for event, status in _states(events):
        key = (event.name, event.data["name"])
        if event.data["change"] == "deleted":
            phases.pop(key, None)
        if not (phase := status.get("phase")):
            continue
        resource = _RESOURCES[event.name]
        before = phases.get(key)
        first = event.data["change"] == "added"
        if not (phase in MOVES[resource] if first else is_legal(resource, before, phase)):
            yield event, f"{event.name} {event.data['name']} went from {before or 'nothing'} to {phase}"
        phases[key] = phase


def unique_device_ids(events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """No two devices share an id, and none changes its own."""
    owners: dict[str, str] = {}
    ids: dict[str, str] = {}
    for event, status in _states(events, DEVICE.kind):
        name = event.data["name"]
        if event.data["change"] == "deleted":
            ids.pop(name, None)
        if not (device_id := status.get("deviceId")):
            continue
        if owners.setdefault(device_id, name) != name:
            yield event, f"devices {owners[device_id]} and {name} share the id {device_id}"
        if ids.setdefault(name, device_id) != device_id:
            yield event, f"device {name} was {ids[name]} and became {device_id}"


def authenticated_devices(events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """A gateway makes a Device only of a peer that proved who it is: certificate, or signing request and token."""
    proofs: dict[str, int] = {}
    for event in events:
        device = str(event.data.get("device") or event.correlation)
        certified = event.name == "TlsConnected" and event.data.get("certificate")
        paired = event.name == "EnrollmentRequest" and event.data.get("csr") and event.data.get("pairingToken")
        if certified or paired:
            proofs[device] = proofs.get(device, 0) + 1
        elif event.name == "Error" and event.source == "Gateway" and event.data.get("code") == "CERTIFICATE_INVALID":
            proofs[device] = proofs.get(device, 0) - 1
        elif event.name == "POST Device" and event.source == "Gateway" and event.data.get("code") == 201:
            name = str(event.data.get("name") or event.correlation)
            if proofs.get(name, 0) < 1:
                yield event, f"the gateway made Device {name} although no peer had proved to be it"


def no_lost_deployment(events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """What a gateway took on ends somehow: an answer, a stop, a lost connection, or the application's own end."""
    waiting = _Deadlines[tuple[str, str]]()
    for event in events:
        for (application, device), request in waiting.passed(event.at):
            yield request, f"nothing came of deploying {application} to {device} in {ANSWER_TIME:g} s"
        device = str(event.data.get("device") or "")
        if event.name == "DeployApplication":
            waiting.set((event.correlation, device), event, ANSWER_TIME)
        elif event.name in ("DeploymentResult", "StopApplication", "RuntimeFault"):
            waiting.drop((event.correlation, device))
        elif event.name in ("ConnectionClosed", "TlsConnected"):
            gone = device or event.correlation
            waiting.drop(*(key for key in waiting if key[1] == gone))
        elif event.kind is Kind.STATE and event.name == APPLICATION.kind:
            name = event.data["name"]
            if event.data["change"] == "deleted":
                waiting.drop(*(key for key in waiting if key[0] == name))
            answered = _status(event).get("deviceStatuses") or {}
            waiting.drop(*((name, other) for other, entry in answered.items() if entry and entry.get("state")))


def live_links_are_connected(events: Sequence[Event]) -> Iterator[tuple[Event, str]]:
    """A device whose enrolled link is up for three heartbeats is Connected."""
    due = _Deadlines[str]()
    phases: dict[str, str] = {}
    for event in events:
        for device, since in due.passed(event.at):
            yield since, f"the link of {device} was up for three heartbeats and it is {phases.get(device)}"
        device = str(event.data.get("device") or event.correlation)
        if event.name == "EnrollmentResponse" and not event.data.get("certificate"):
            interval = event.data.get("heartbeatInterval")
            if phases.get(device) != "Connected" and isinstance(interval, int | float) and 0 < interval < math.inf:
                due.set(device, event, 3 * min(interval, _LONGEST) / 1000)
        elif event.name in ("ConnectionClosed", "TlsConnected") or event.kind is Kind.FAULT:
            due.drop(device)
        elif event.kind is Kind.STATE and event.name == DEVICE.kind:
            if phase := _status(event).get("phase"):
                phases[event.data["name"]] = phase
            if event.data["change"] == "deleted" or phase == "Connected":
                due.drop(event.data["name"])


Rule = Callable[[Sequence[Event]], Iterator[tuple[Event, str]]]
RULES: Mapping[str, Rule] = {
    "legal phases": legal_phases,
    "unique device ids": unique_device_ids,
    "authenticated devices": authenticated_devices,
    "no lost deployment": no_lost_deployment,
    "live links are connected": live_links_are_connected,
    "nothing runs after its Application is deleted or stopped": nothing_runs_unwanted,
}


def find_violations(events: Iterable[Event]) -> list[Violation]:
    """Every rule's every violation, in the order of the events."""
    record = [event for event in events if "mock" not in event.data]  # what a mock does is not the platform's doing
    found = [Violation(name, event, message) for name, rule in RULES.items() for event, message in rule(record)]
    return sorted(found, key=lambda violation: violation.event.n)


def judge(events: Iterable[Event]) -> None:
    """Raise ProductFailure naming every violation, if there is any."""
    if found := find_violations(events):
        raise ProductFailure(
            "the history breaks what must always hold:\n" + "\n".join(f"  {violation}" for violation in found),
            where="invariants",
            do="look at those events in history.jsonl, or in the report",
        )


def _states(events: Iterable[Event], kind: str | None = None) -> Iterator[tuple[Event, Mapping[str, Any]]]:
    for event in events:
        if event.kind is Kind.STATE and (event.name == kind or (kind is None and event.name in _RESOURCES)):
            yield event, _status(event)


def _status(event: Event) -> Mapping[str, Any]:
    status: Mapping[str, Any] = event.data.get("status") or {}
    return status


class _Deadlines(Generic[K]):
    """What has to happen by when; each event costs the same however much waits."""

    def __init__(self) -> None:
        self._causes: dict[K, Event] = {}
        self._queue: list[tuple[float, int, K, Event]] = []
        self._order = itertools.count()

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._causes))

    def set(self, key: K, cause: Event, seconds: float) -> None:
        """It is due ``seconds`` after ``cause``, instead of when it was due before."""
        self._causes[key] = cause
        heapq.heappush(self._queue, (cause.at + seconds, next(self._order), key, cause))

    def drop(self, *keys: K) -> None:
        """These have happened, or need not any more."""
        for key in keys:
            self._causes.pop(key, None)

    def passed(self, now: float) -> Iterator[tuple[K, Event]]:
        """What is overdue, once."""
        while self._queue and self._queue[0][0] < now:
            _, _, key, cause = heapq.heappop(self._queue)
            if self._causes.get(key) is cause:
                del self._causes[key]
                yield key, cause
