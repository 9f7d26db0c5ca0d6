"""Compares the Device's status with the messages on the device's links: phases, times, health."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from harness.core.history import Event
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on, party_of
from harness.invariants.ledger import Ledger, status_of
from harness.invariants.timing import Deadlines
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.phases import MOVES, Cause, reachable
from harness.wasmbed.resources.timestamps import parse_timestamp

__all__ = ["DEVICE_STATUS"]

LEEWAY = 5.0
"""Seconds by which an event may be recorded after the moment that a status names."""
REMEMBERED = 64
"""Heartbeats of a device, the latest, of which a write may be made."""
WRITTEN_WITHIN = 15.0
"""Seconds within which a gateway has written that a link ended, if nothing hinders it."""
_RESOURCES = {resource.kind: resource for resource in (DEVICE, APPLICATION, GATEWAY)}
_STATES = tuple(f"state {kind}" for kind in _RESOURCES)


class LegalPhases(Invariant):
    """Every resource goes only from a phase to one that may follow it. Where the record has a new list instead of each
    change, phases in between were not seen."""

    name = "legal phases"
    party = Party.PRODUCT
    source = "docs/reference/resources"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._phases: dict[tuple[str, str], str] = {}

    @on(*_STATES)
    def changed(self, event: Event) -> Iterator[Violation]:
        key = (event.name, str(event.data["name"]))
        if event.data.get("change") == "deleted":
            self._phases.pop(key, None)
        if not (phase := status_of(event).get("phase")):
            return
        resource, before = _RESOURCES[event.name], self._phases.get(key)
        self._phases[key] = phase
        if event.data.get("change") == "added":
            is_legal = phase in MOVES[resource]
        elif event.data.get("relisted"):
            is_legal = phase == before or phase in reachable(resource, before, frozenset(Cause))
        else:
            is_legal = self.ledger.extent.is_legal(resource, before, phase)
        if not is_legal:
            write = self.ledger.writer(*key, phase)
            message = f"{event.name} {key[1]} went from {before or 'nothing'} to {phase}"
            party = party_of(write.source) if write is not None else self.party
            yield self.broken(event, message, party=party, cause=write)


class DisconnectedIsCleared(Invariant):
    """A Device that becomes Disconnected has no lastHeartbeat and no health any more, is Stopped, and says why."""

    name = "disconnected devices"
    party = Party.GATEWAY
    source = "docs/reference/resources (Device); diagram connection-lost"

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        if status_of(event).get("phase") != "Disconnected":
            return
        name = str(event.data["name"])
        status = self.ledger.object("Device", name).get("status") or {}
        wrong = [
            f"{field} is {status.get(field)!r} where {wanted!r} is due"
            for field, wanted in (("lastHeartbeat", None), ("deviceStatus", "Stopped"), ("health", "unknown"))
            if status.get(field) != wanted and self.ledger.extent.has(f"Device status.{field}")
        ]
        if not status.get("error") and self.ledger.extent.has("Device status.error"):
            wrong.append("it has no error")
        write = self.ledger.writer("Device", name, "Disconnected")
        if wrong and (write is None or write.source != "User"):
            party = party_of(write.source) if write is not None else self.party
            message = f"device {name} became Disconnected, but {'; '.join(wrong)}"
            yield self.broken(event, message, party=party, cause=write)


class ConnectedSince(Invariant):
    """A Device's connectedSince lies within its present link, and its lastHeartbeat is not before it, nor later than
    now."""

    name = "connected since"
    party = Party.GATEWAY
    source = "docs/reference/resources (Device)"
    needs = frozenset({"Device status.connectedSince"})

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        changed = status_of(event)
        name = str(event.data["name"])
        status = self.ledger.object("Device", name).get("status") or {}
        if "connectedSince" not in changed and "lastHeartbeat" not in changed and changed.get("phase") != "Connected":
            return
        write = self.ledger.writer("Device", name)
        if write is None or write.source == "User" or status.get("phase") != "Connected":
            return
        if self.ledger.clock_was_wrong:
            return
        since, beat = _moment(status.get("connectedSince")), _moment(status.get("lastHeartbeat"))
        link = self.ledger.connected_link(name)
        if since is None:
            yield self.broken(event, f"device {name} is Connected, and nothing says since when", cause=write)
            return
        # A write that an outage held back may come when the device has gone to another gateway.
        is_judged = link is not None and link.known and status.get("gateway", link.gateway) == link.gateway
        if link is not None and is_judged and changed.get("phase") == "Connected" and since < link.opened.at - LEEWAY:
            began = f"its link began {event.at - link.opened.at:.1f} s ago"
            message = f"device {name} says connectedSince {status['connectedSince']}; {began}"
            yield self.broken(event, message, cause=link.opened)
        for what, moment in (("connectedSince", since), ("lastHeartbeat", beat)):
            if moment is not None and moment > event.at + LEEWAY:
                yield self.broken(event, f"device {name} says {what} {status[what]}, which is to come", cause=write)
        if beat is not None and beat < since - LEEWAY:
            message = f"device {name} says lastHeartbeat {status['lastHeartbeat']}, before its connectedSince"
            yield self.broken(event, message, cause=write)


class VitalSigns(Invariant):
    """The metrics, runtime, status and health that a gateway writes for a device are those of one of its latest
    heartbeats."""

    name = "vital signs"
    party = Party.GATEWAY
    source = "diagram heartbeat-and-monitoring"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._beats: dict[str, deque[Event]] = {}

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device") or event.correlation)
        beats = self._beats.setdefault(device, deque(maxlen=REMEMBERED))
        if beats and _says(beats[-1].data) == _says(event.data):
            beats.pop()  # a device that sends the same without end pushes nothing else out
        beats.append(event)
        yield from ()

    @on("PATCH Device")
    def written(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data.get("name"))
        if event.source != "Gateway" or event.data.get("code") != 200 or not status.get("lastHeartbeat"):
            return
        beats = self._beats.get(name)
        if not beats or "metrics" not in beats[-1].data:
            if not beats and self.ledger.open_links(name):
                yield self.broken(event, f"the gateway wrote a lastHeartbeat of {name}, which sent none")
            return
        if not any(_fits(status, beat.data) for beat in reversed(beats)):
            newest = beats[-1]
            message = (
                f"the gateway wrote of {name} what none of its heartbeats said: {_difference(status, newest.data)}"
            )
            yield self.broken(event, message, cause=newest)


def _says(beat: Mapping[str, Any]) -> list[Any]:
    return [beat.get(field) for field in ("status", "runtimeStatus", "metrics", "applications")]


def _fits(status: Mapping[str, Any], beat: Mapping[str, Any]) -> bool:
    return not any(True for _ in _differences(status, beat))


def _differences(status: Mapping[str, Any], beat: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    healthy = beat.get("status") == "running" and beat.get("runtimeStatus") != "unavailable"
    said = {
        "deviceStatus": str(beat.get("status")).capitalize(),
        "wasmRuntime": beat.get("runtimeStatus"),
        "health": "healthy" if healthy else "degraded",
        "deviceMetrics": beat.get("metrics"),
    }
    for field, wanted in said.items():
        if field in status:
            found = status[field]
            if isinstance(found, Mapping):
                found = {key: value for key, value in found.items() if value is not None}
            if found != wanted:
                yield field, found, wanted
    applications = {each.get("name"): each.get("state") for each in status.get("applications") or ()}
    reported = beat.get("applications") or {}
    if "applications" in status and any(reported.get(name) != state for name, state in applications.items()):
        yield "applications", applications, reported


def _difference(status: Mapping[str, Any], beat: Mapping[str, Any]) -> str:
    return "; ".join(f"{field} {found!r}, last heard {said!r}" for field, found, said in _differences(status, beat))[
        :400
    ]


class LiveIsNotDisconnected(Invariant):
    """A gateway does not write Disconnected for a device while the session that it wrote Connected for goes on."""

    name = "live devices stay connected"
    party = Party.GATEWAY
    source = "diagram connection-lost"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._since: dict[str, float | None] = {}
        self._ended: dict[str, Event] = {}
        """By device, the end of its latest link that ended."""

    @on("ConnectionClosed")
    def closed(self, event: Event) -> Iterator[Violation]:
        self._ended[str(event.data.get("device") or event.correlation)] = event
        yield from ()

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data["name"])
        before = self._since.get(name)
        merged = self.ledger.object("Device", name).get("status") or {}
        self._since[name] = _moment(merged.get("connectedSince")) if merged.get("phase") == "Connected" else None
        if status.get("phase") != "Disconnected" or before is None:
            return
        write, link = self.ledger.writer("Device", name, "Disconnected"), self.ledger.connected_link(name)
        if write is None or write.source != "Gateway" or link is None or not link.known or link.connected is None:
            return
        if link.unread is not None:
            return
        ended = self._ended.get(name)
        if ended is not None and ended.n < link.opened.n and before <= ended.at:
            return  # it was Connected for a session that ended before this one began
        if link.opened.at - LEEWAY <= before and write.n > link.connected.n and link.refused is None:
            message = f"the gateway wrote {name} Disconnected while its session goes on; {link.last_said()}"
            yield self.broken(event, message, cause=link.connected, link=link)


class EndsAreWritten(Invariant):
    """A device whose last link has ended, or which a gateway that begins finds without one, does not stay Connected."""

    name = "ended links are written"
    party = Party.GATEWAY
    source = "diagram connection-lost"
    needs = frozenset({"Device Connected", "Device Disconnected"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._due = Deadlines[str]()

    @on("ConnectionClosed")
    def closed(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device") or event.correlation)
        status = self.ledger.object("Device", device).get("status") or {}
        if status.get("phase") == "Connected" and not self.ledger.open_links(device):
            self._due.set(device, event, WRITTEN_WITHIN)
        yield from ()

    @on("note gateway up")
    def began(self, event: Event) -> Iterator[Violation]:
        for (kind, name), present in self.ledger.objects.items():
            status = present.get("status") or {}
            is_of_it = status.get("gateway") == event.data.get("gateway") and status.get("phase") == "Connected"
            if kind == "Device" and is_of_it and not self.ledger.open_links(name):
                self._due.set(name, event, WRITTEN_WITHIN)
        yield from ()

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        self._due.drop(str(event.data.get("device") or event.correlation))
        yield from ()

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        if status_of(event).get("phase") not in (None, "Connected") or event.data.get("change") == "deleted":
            self._due.drop(str(event.data["name"]))
        yield from ()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for device, closed in self._due.passed(event.at):
            link, excuses = self.ledger.link(closed), (self.ledger.api_trouble, self.ledger.disturbed.get(""))
            # A gateway that was killed, or that could not begin, writes nothing.
            lives_on = link is None or (self.ledger.is_of_this_run(link) and self.ledger.is_up(link.gateway))
            is_calm = all(each is None or each.n < closed.n for each in excuses)
            if lives_on and is_calm and not self.ledger.is_api_disturbed:
                since = "its link ended" if link is not None else "its gateway began again, and it has no link"
                message = f"{device} is still Connected {event.at - closed.at:.0f} s after {since}"
                yield self.broken(event, message, cause=closed, waited=closed)


class OfflineGatewaysServeNone(Invariant):
    """No device stays Connected through a gateway that is Offline."""

    name = "offline gateways serve no device"
    party = Party.DEVICE_CONTROLLER
    source = "docs/reference/resources (Gateway: Offline)"
    needs = frozenset({"Device Connected", "Device Disconnected", "Gateway Offline"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._due = Deadlines[str]()

    @on("state Gateway")
    def moved(self, event: Event) -> Iterator[Violation]:
        phase = status_of(event).get("phase")
        for (kind, name), present in self.ledger.objects.items() if phase else ():
            status = present.get("status") or {}
            if kind == "Device" and status.get("gateway") == event.data["name"]:
                self._due.drop(name)
                if phase == "Offline" and status.get("phase") == "Connected":
                    self._due.set(name, event, WRITTEN_WITHIN)
        yield from ()

    @on("state Device")
    def changed(self, event: Event) -> Iterator[Violation]:
        if status_of(event).get("phase") or event.data.get("change") == "deleted":
            self._due.drop(str(event.data["name"]))
        yield from ()

    @on("POST Lease", "PUT Lease", "fault")
    def disturbed(self, event: Event) -> Iterator[Violation]:
        """Controllers that have no leader, or cannot reach the API server, act later."""
        if event.name.startswith("API") or event.data.get("code") not in (None, 200):
            self._due.drop(*self._due)
        yield from ()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for device, offline in self._due.passed(event.at):
            if not self.ledger.is_api_disturbed:
                message = f"{device} is still Connected {event.at - offline.at:.0f} s after its gateway became Offline"
                yield self.broken(event, message, cause=offline, waited=offline)


class TransitionTimes(Invariant):
    """A condition's lastTransitionTime changes when its status does, and only then, and is never to come."""

    name = "transition times"
    party = Party.PRODUCT
    source = "Kubernetes API conventions (conditions)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._seen: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}

    @on(*_STATES)
    def changed(self, event: Event) -> Iterator[Violation]:
        key = (event.name, str(event.data["name"]))
        if event.data.get("change") in ("added", "deleted"):
            self._seen.pop(key, None)
        conditions = status_of(event).get("conditions")
        if not isinstance(conditions, list):
            return
        before = self._seen.get(key, {})
        self._seen[key] = {str(each.get("type")): each for each in conditions if isinstance(each, Mapping)}
        write = self.ledger.writer(*key)
        if write is None or write.source == "User":
            return
        for kind, new in self._seen[key].items():
            old, moment = before.get(kind), _moment(new.get("lastTransitionTime"))
            what = f"condition {kind} of {event.name} {key[1]}"
            if moment is not None and moment > event.at + LEEWAY and not self.ledger.clock_was_wrong:
                problem = f"{what} changed at {new['lastTransitionTime']}, which is to come"
            elif old is None or "lastTransitionTime" not in old:
                continue
            elif old.get("status") == new.get("status") and old["lastTransitionTime"] != new.get("lastTransitionTime"):
                problem = f"{what} has another lastTransitionTime and is {new.get('status')} as before"
            elif old.get("status") != new.get("status") and old["lastTransitionTime"] == new.get("lastTransitionTime"):
                problem = f"{what} became {new.get('status')} and says that it changed at {old['lastTransitionTime']}"
            else:
                continue
            yield self.broken(event, problem, party=party_of(write.source), cause=write)


class ConnectedOnce(Invariant):
    """A gateway writes Connected once for a session."""

    name = "connected is written once"
    party = Party.GATEWAY
    source = "diagram device-connection"
    needs = frozenset({"Device Disconnected", "Device status.connectedSince"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._written: dict[str, Any] = {}
        """By device, the phase that was written last: the record of the resource may be a little behind."""

    @on("PATCH Device")
    def written(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data.get("name"))
        if event.data.get("code") != 200 or "phase" not in status:
            return
        before, self._written[name] = self._written.get(name), status["phase"]
        if event.source != "Gateway" or status["phase"] != "Connected" or before != "Connected":
            return
        present = self.ledger.object("Device", name).get("status") or {}
        trouble = self.ledger.api_trouble
        again = present.get("phase") == "Connected" and present.get("connectedSince") == status.get("connectedSince")
        if again and (trouble is None or event.at - trouble.at > WRITTEN_WITHIN):
            message = f"the gateway wrote {name} Connected again, since {status.get('connectedSince')} as before"
            yield self.broken(event, message)


def _moment(text: Any) -> float | None:
    try:
        return parse_timestamp(text) if isinstance(text, str) else None
    except ValueError:
        return None


DEVICE_STATUS = (
    LegalPhases, DisconnectedIsCleared, ConnectedSince, VitalSigns, LiveIsNotDisconnected, EndsAreWritten,
    OfflineGatewaysServeNone, TransitionTimes, ConnectedOnce,
)  # fmt: skip
