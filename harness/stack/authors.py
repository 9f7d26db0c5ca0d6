"""Names the party that a value comes from: the writer of a field of a status, the sender of a kind of message.

A judge that compares a value with what it should be knows which value is wrong. Its author is the party to convict,
unless another judge convicts one by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from harness.core.history import Event, History, Kind
from harness.invariants.invariant import Party, party_of
from harness.invariants.ledger import status_of
from harness.wasmbed.protocol.messages import DeviceMessage, GatewayMessage

__all__ = [
    "ORDERS",
    "Author",
    "author_of_event",
    "author_of_field",
    "author_of_message",
    "author_of_order",
    "author_of_spec",
    "last_words",
    "mock_boards",
]

_FROM_DEVICES = frozenset(each.__name__ for each in get_args(DeviceMessage))
_FROM_GATEWAYS = frozenset(each.__name__ for each in get_args(GatewayMessage))
_BY_CONTROLLERS = {"DeployApplication": Party.APPLICATION_CONTROLLER, "StopApplication": Party.APPLICATION_CONTROLLER}
_BY_GATEWAYS = frozenset({"RequestRefused", "RevocationListRefused", "TlsRejected"})
"""Events that gateways record about others."""
_OPTIONAL = frozenset({"largestModule"})
"""Fields of a Device's spec that a device need not tell."""
_WRITES = ("POST ", "PUT ", "PATCH ")
_PLATFORM = frozenset({"Gateway", "DeviceController", "ApplicationController", "GatewayController"})
_OWNERS: Mapping[str, Mapping[str, Party]] = {
    "Device": {"enrollments": Party.DEVICE_CONTROLLER, "enrolledAt": Party.DEVICE_CONTROLLER, "": Party.GATEWAY},
    "Application": {"deviceStatuses": Party.GATEWAY, "": Party.APPLICATION_CONTROLLER},
    "Gateway": {"phase": Party.GATEWAY_CONTROLLER, "conditions": Party.GATEWAY_CONTROLLER, "": Party.GATEWAY},
    "Lease": {"": Party.MANAGER},
}
"""The party that writes a field, for fields that no party has written."""
_CONTROLLERS = {"Device": Party.DEVICE_CONTROLLER, "Gateway": Party.GATEWAY_CONTROLLER}
_LOST_WITH_A_GATEWAY = frozenset(
    {"phase", "error", "conditions", "connectedDevices", "connectedSince", "lastHeartbeat", "deviceStatus", "health"}
)
"""The fields that change with the end of a gateway, or of a link."""
ORDERS = ("Deploy", "ModuleChunk", "Stop")
"""Messages that a gateway sends because a controller asked it to."""
_REPORTS = ("DeploymentResult", "ApplicationStatus", "RuntimeFault", "StopResult")
KEPT = 20
"""Publications that a status keeps."""
BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Author:
    """The party that a value comes from, in words as ``gateway`` or ``board pump-1``, and the evidence."""

    party: str
    evidence: str
    is_last_word: bool = False
    """Whether no missing step of another party explains the value."""

    def __str__(self) -> str:
        return f"convicts {self.party}: {self.evidence}"


def author_of_spec(history: History, device: str, field: str) -> Author:
    """The author of a field of a Device's spec: the board, if the gateway wrote what it said of itself."""
    written = _latest(history, "Device", device, field, "spec")
    said = _last_said(history, device, "EnrollmentRequest")
    if said is not None and written == said.data.get(field) and (written is not None or field in _OPTIONAL):
        return _board(device, f"spec.{field}", said)
    return Author(str(Party.GATEWAY), f"the spec of Device {device} is for the gateway to write")


def author_of_field(history: History, kind: str, name: str, path: Sequence[str]) -> Author:
    """The author of a field of a status, or of a Lease, by its path in the resource's spelling, as
    ``("deviceStatuses", "pump-1", "state")``: the platform's latest write of it, or the party that has to write it."""
    if (controllers := _of_controllers(history, kind, name, path)) is not None:
        return controllers
    if kind == "Application" and (relayed := _relayed(history, name, path)) is not None:
        return relayed
    if kind == "Device" and path and (told := _told(history, name, path[0])) is not None:
        return told
    shown = f"status.{'.'.join(path)} of {kind} {name}" if path else f"the status of {kind} {name}"
    if (event := _last_write(history, kind, name, path)) is not None:
        party = party_of(event.source)
        return Author(str(party), f"{shown} was last written by the {party} (event {event.n})")
    owners = _OWNERS.get(kind, {})
    owner = owners.get(path[0] if path else "", owners.get("", Party.PRODUCT))
    return Author(str(owner), f"{shown} is for the {owner} to write, which has not written it")


def _of_controllers(history: History, kind: str, name: str, path: Sequence[str]) -> Author | None:
    """The controller whose a field is although a gateway writes it otherwise: nobody else judges what cannot speak, and
    nobody else takes what has stopped off an Application's record."""
    if kind == "Application" and _is_out_of_reach(history, path):
        shown, party = f"{name} on {path[1]}", Party.APPLICATION_CONTROLLER
        return Author(str(party), f"{path[1]} is out of reach, and {shown} is for the {party} to judge")
    if kind == "Application" and tuple(path) == ("deviceStatuses",):
        stopped = [device for device, entry in _entries(history, name).items() if entry.get("state") == "stopped"]
        if stopped:
            party = Party.APPLICATION_CONTROLLER
            return Author(
                str(party), f"{stopped[0]} has stopped {name}, and what becomes of its entry is for the {party}"
            )
    if kind not in _CONTROLLERS or (path and path[0] not in _LOST_WITH_A_GATEWAY):
        return None
    party = _CONTROLLERS[kind]
    gateway = name if kind == "Gateway" else str(_latest(history, "Device", name, "gateway") or "")
    if (killed := _killed(history, gateway)) is not None:
        if kind == "Device" and (served := _served(history, name, killed)) is not None:
            return Author(str(Party.GATEWAY), f"another gateway serves {name} (event {served.n})")
        return Author(str(party), f"gateway {gateway} ended (event {killed.n}), and {kind} {name} is for the {party}")
    offline = _last_write(history, kind, name, ["phase"])
    if kind == "Gateway" and offline is not None and party_of(offline.source) is party:
        return Author(str(party), f"the {party} wrote {name} {status_of(offline)['phase']} (event {offline.n})")
    return None


def _last_write(history: History, kind: str, name: str, path: Sequence[str]) -> Event | None:
    """The platform's latest write of a field."""
    for event in reversed(history):
        if event.source in _PLATFORM and _is_write(event, kind, name) and _holds(event.data.get("status"), path):
            return event
    return None


def _killed(history: History, gateway: str) -> Event | None:
    """The event by which a gateway ended without a word, unless it runs again."""
    for event in reversed(history):
        if event.name in ("gateway up", "kill gateway", "GatewayEnded") and event.data.get("gateway") == gateway:
            return event if event.name != "gateway up" else None
    return None


def _served(history: History, device: str, after: Event) -> Event | None:
    """The latest answer of a gateway to a device's heartbeat, if there was one after an event."""
    for event in reversed(history):
        if event.n <= after.n:
            return None
        if event.name == "HeartbeatAcknowledgment" and event.data.get("device") == device:
            return event
    return None


def _latest(history: History, kind: str, name: str, field: str, part: str = "status") -> Any:
    """The latest value of a field of a resource's status, or of its spec."""
    for event in reversed(history):
        is_it = event.kind is Kind.STATE and event.name == kind and event.data.get("name") == name
        if is_it and isinstance(found := event.data.get(part), Mapping) and field in found:
            return found[field]
    return None


def _relayed(history: History, application: str, path: Sequence[str]) -> Author | None:
    """The board whose word the entry of a device is: the gateway wrote what it last reported. The phase and the error
    of an Application are those of its devices where one of them reports a failure."""
    entries = _entries(history, application)
    if path and path[0] == "deviceStatuses":
        named = [str(path[1])] if len(path) > 1 else []
    elif path and path[0] in ("phase", "error"):
        named = [device for device, entry in entries.items() if entry.get("state") in ("error", "failed")]
    else:
        return None
    mocks = mock_boards(history)
    for device in named:
        entry, said = entries.get(device, {}), _reports(history, application, device)
        if not said or device in mocks:
            continue
        last = said[-1]
        topics = [each.get("topic") for event in said for each in event.data.get("publications") or ()]
        written = [each.get("topic") for each in entry.get("output") or ()]
        if entry.get("state") == _state(last) and written == topics[-KEPT:]:
            code = last.data.get("code")
            word = f"{last.name} {code}" if code else last.name
            message = f"{application} on {device} is {entry.get('state')}, as {device} said ({word}, event {last.n})"
            return Author(f"{Party.BOARD} {device}", message)
    return None


def _told(history: History, device: str, field: str) -> Author | None:
    """The board whose word a field of a connected Device's status is: the gateway wrote what it last said."""
    if field not in _TOLD or _latest(history, "Device", device, "phase") != "Connected":
        return None
    name, value = _TOLD[field]
    said, written = _last_said(history, device, name), _latest(history, "Device", device, field)
    is_said = said is not None and written is not None and _agrees(written, value(said.data))
    return _board(device, f"status.{field}", said) if said is not None and is_said else None


def _last_said(history: History, device: str, name: str) -> Event | None:
    """The latest message of that name from a device, unless a test drives it by hand."""
    if device in mock_boards(history):
        return None
    return next((event for event in reversed(history) if event.name == name and _is_said_by(event, device)), None)


def _board(device: str, field: str, said: Event) -> Author:
    return Author(f"{Party.BOARD} {device}", f"{field} is what {device} said ({said.name}, event {said.n})")


def _agrees(written: Any, said: Any) -> bool:
    """Whether a value is what was said; of a map, the record may show only the items that changed."""
    if not (isinstance(written, Mapping) and isinstance(said, Mapping)):
        return bool(written == said)
    return all(said.get(key) == value for key, value in written.items())


def _health(beat: Mapping[str, Any]) -> str:
    return "healthy" if beat.get("status") == "running" and beat.get("runtimeStatus") != "unavailable" else "degraded"


_TOLD: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {
    "deviceStatus": ("Heartbeat", lambda beat: str(beat.get("status")).capitalize()),
    "health": ("Heartbeat", _health),
    "wasmRuntime": ("Heartbeat", lambda beat: beat.get("runtimeStatus")),
    "deviceMetrics": ("Heartbeat", lambda beat: beat.get("metrics")),
    "deviceInfo": (
        "DeviceInfo",
        lambda info: {
            field: info.get(field) for field in ("memory", "architecture", "runtimeFeatures", "largestModule")
        },
    ),
}
"""The fields of a Device's status that repeat a message of the device: its name, and the field's value by it."""


def mock_boards(history: History) -> set[str]:
    """The devices that a test drives by hand: what they say, or do not say, is the test's."""
    return {event.correlation for event in history if event.name in ("mock board", "peer connected")}


def _is_out_of_reach(history: History, path: Sequence[str]) -> bool:
    """Whether a path is that of an entry whose device is not Connected."""
    if len(path) < 2 or path[0] != "deviceStatuses":
        return False
    return _latest(history, "Device", path[1], "phase") not in (None, "Connected")


def author_of_order(history: History, name: str, device: str) -> Author:
    """The party that has to act before a gateway sends an order of that name to a device: the controller that has not
    asked for it, or the gateway."""
    request = {"Stop": "StopApplication"}.get(name, "DeployApplication")
    for event in reversed(history):
        if event.name == name and event.data.get("device") == device:
            break
        if event.name == request and event.data.get("device") == device:
            return Author(str(Party.GATEWAY), f"it was asked to (event {event.n}, {request})")
        if name == "Stop" and event.kind is Kind.STATE and event.data.get("change") == "deleted":
            return Author(str(Party.GATEWAY), f"{event.name} {event.data.get('name')} is gone (event {event.n})")
    party = Party.APPLICATION_CONTROLLER
    return Author(str(party), f"it has not sent {request} for {device}")


def _entries(history: History, application: str) -> dict[str, dict[str, Any]]:
    """The entries of an Application's status as they are now, by device."""
    entries: dict[str, dict[str, Any]] = {}
    for event in history:
        if event.kind is not Kind.STATE or event.name != "Application" or event.data.get("name") != application:
            continue
        changed = (event.data.get("status") or {}).get("deviceStatuses")
        for device, entry in changed.items() if isinstance(changed, Mapping) else ():
            entries[device] = {**entries.get(device, {}), **entry} if isinstance(entry, Mapping) else {}
    return entries


def _reports(history: History, application: str, device: str) -> list[Event]:
    """The reports of a device on an application since it was last sent to the device."""
    found: list[Event] = []
    for event in history:
        if event.correlation == application and event.data.get("device") == device:
            if event.name == "Deploy":
                found.clear()
            elif event.name in _REPORTS:
                found.append(event)
    return found


def _state(report: Event) -> str:
    ok = bool(report.data.get("ok"))
    if report.name == "ApplicationStatus":
        return str(report.data.get("state"))
    return {"DeploymentResult": "deployed" if ok else "failed", "StopResult": "stopped" if ok else "error"}.get(
        report.name, "error"
    )


def author_of_message(history: History, name: str, device: str = "", source: str = "") -> Author | None:
    """The sender of messages of that name; None for a name that several parties use, or that is not a message's."""
    if not source and name in _FROM_DEVICES and name in _FROM_GATEWAYS:
        return None
    if source == "Device" or (not source and name in _FROM_DEVICES):
        party = f"{Party.BOARD} {device}".rstrip()
    elif source == "Gateway" or name in _BY_GATEWAYS or (not source and name in _FROM_GATEWAYS):
        party = str(Party.GATEWAY)
    elif source or name in _BY_CONTROLLERS:
        party = str(party_of(source) if source else _BY_CONTROLLERS[name])
    else:
        sources = {event.source for event in history if event.name == name}
        party = str(party_of(sources.pop())) if len(sources) == 1 else ""
    said = last_words(history, device)
    return Author(party, f"{name} is for the {party} to send{said}") if party and party != Party.PRODUCT else None


def author_of_event(history: History, event: Event) -> Author | None:
    """The party whose doing an event is."""
    if event.kind is Kind.STATE:
        status = event.data.get("status")
        path = list(status)[:1] if isinstance(status, Mapping) else []
        return author_of_field(history, event.name, str(event.data.get("name")), path)
    party = party_of(event.source)
    name = str(event.data.get("device") or event.correlation) if party is Party.BOARD else ""
    if party in (Party.PRODUCT, Party.CALLER, Party.RIG) or name in mock_boards(history):
        return None
    return Author(f"{party} {name}".rstrip(), f"event {event.n}, {event.name}, is its doing")


def last_words(history: History, device: str) -> str:
    """The latest message of a device, for the end of a sentence."""
    said = next((event for event in reversed(history) if _is_said_by(event, device)), None) if device else None
    return f"; {device} last said {said.name} (event {said.n})" if said is not None else ""


def _is_said_by(event: Event, device: str) -> bool:
    return event.source == "Device" and event.name in _FROM_DEVICES and event.data.get("device") == device


def _is_write(event: Event, kind: str, name: str) -> bool:
    if not event.name.startswith(_WRITES) or event.name.partition(" ")[2] != kind or event.data.get("name") != name:
        return False
    code = event.data.get("code")
    return isinstance(code, int) and code < BAD_REQUEST


def _holds(value: Any, path: Iterable[str]) -> bool:
    """Whether a write has that field."""
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return value is not None or bool(path)
