"""The table that binds the arrows of diagrams to the events of histories.

A participant of a diagram is bound by its name (``participant Device as IoT board``). An arrow is bound by its two
ends and the event's name; the fields of each event's data are known. Events of parts that are not built yet are in the
table too, with the reason, so that diagrams of those flows can be written and checked.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum
from functools import cache

from harness.core.errors import UsageError
from harness.core.history import Event
from harness.sequences.fields import ANY, EventField, check_condition, of_message, of_schema
from harness.sequences.labels import Label
from harness.wasmbed.protocol import messages
from harness.wasmbed.protocol.dialects import messages as dialect
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE, EVENT, GATEWAY, LEASE, SECRET, load_crds
from harness.wasmbed.resources.names import PAIRING_SECRET_PREFIX
from harness.wasmbed.runtime.interface import FaultCode

__all__ = ["PARTICIPANTS", "EventType", "Subject", "bind", "event_types"]


class Subject(Enum):
    """The kind of thing that an event is about. Its correlation names a device or an application, and its data the
    caller of the REST API."""

    DEVICE = "device"
    APPLICATION = "application"
    CALLER = "caller"


PARTICIPANTS: Mapping[str, str] = {
    "Device": "a board's firmware, as the gateway sees it",
    "Gateway": "the server that devices connect to",
    "Kubernetes": "the API server",
    "DeviceController": "reconciles devices",
    "ApplicationController": "reconciles applications",
    "GatewayController": "reconciles gateways",
    "ControllerManager": "elects the leader among the controllers",
    "Bridge": "carries a board's serial line to the gateway",
    "EventRecorder": "writes Kubernetes Events about devices, applications and gateways",
    "EmulatorManager": "runs the boards that Devices ask for",
    "User": "a person or program that applies resources or uses the REST API, as the dashboard does",
    "ApiServer": "the REST API",
    "Compiler": "the service that makes modules from source",
    "Px4": "the autopilot",
    "MicroRos": "the bridge between the autopilot's topics and DDS",
    "Dds": "the DDS middleware",
}
"""The participants of histories, and those of parts that are not built yet."""

_CLIENTS = (
    "Gateway",
    "DeviceController",
    "ApplicationController",
    "GatewayController",
    "EmulatorManager",
    "ApiServer",
    "User",
)

_CODES: Mapping[type, tuple[str, ...]] = {
    messages.Error: tuple(messages.ErrorCode),
    messages.RuntimeFault: tuple(FaultCode),
}
"""The possible codes, where the message class does not list them."""

_OPERATIONS: Mapping[Subject, tuple[str, ...]] = {
    Subject.DEVICE: (
        "createDevices", "getDevice", "changeDevice", "deleteDevice", "enrollDevice", "connectDevice",
        "disconnectDevice", "createBoard", "startBoard", "stopBoard", "restartBoard", "startRenode", "stopRenode",
        "getConsole", "watchConsole",
    ),
    Subject.APPLICATION: (
        "createApplication", "getApplication", "changeApplication", "replaceApplication", "deleteApplication",
        "deployApplication", "stopApplication", "getModule",
    ),
    Subject.CALLER: (
        "listDevices", "listApplications", "listGateways", "createGateways", "getGateway", "changeGateway",
        "replaceGateway", "toggleGateway", "deleteGateway", "watchEvents", "getStatus", "getMetrics", "getLogs",
        "getMonitoringMetrics", "listPods", "listServices", "listPairing", "getPairing",
        "setPairing", "enablePairing", "disablePairing",
        "getInfrastructureHealth", "getInfrastructureLogs", "getInfrastructureStatus", "listTemplates", "getTemplate",
        "compile", "listCommands", "executeCommand",
    ),
}  # fmt: skip
"""The operations of the REST API, by what they are about."""

_PX4 = "the PX4 bridge is not built yet"


@dataclass(frozen=True, slots=True)
class EventType:
    """One row: an event's source, target, name, and the fields of its data.

    ``key_fields`` are the fields that distinguish events of this type (a recorded diagram shows them). ``name_prefix``
    is the prefix of the subject's name in ``data.name``, for events without a correlation. ``pending`` is the reason
    why it cannot happen yet.
    """

    source: str
    target: str
    name: str
    subject: Subject | None
    fields: Mapping[str, EventField] = field(default_factory=dict, compare=False)
    key_fields: tuple[str, ...] = ()
    name_prefix: str | None = None
    pending: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.source, self.target, self.name

    def about(self, event: Event) -> tuple[Subject | None, str]:
        """The subject of ``event``, which is of this type, and its name; the name is empty if the event lacks it."""
        if self.subject is Subject.CALLER:
            return self.subject, str(event.data.get("caller", ""))
        if self.name_prefix is not None:
            name = str(event.data.get("name", ""))
            return self.subject, name.removeprefix(self.name_prefix) if name.startswith(self.name_prefix) else ""
        if "applicationId" in self.fields and "applicationId" not in event.data:
            return Subject.DEVICE, event.correlation
        return self.subject, event.correlation


@cache
def event_types() -> Mapping[tuple[str, str, str], EventType]:
    """All rows of the table by source, target, and name."""
    rows = [*_link(), *_dialects(), *_requests(), *_watches(), *_http(), *_rest(), *_future()]
    return {row.key: row for row in rows}


def _link() -> Iterator[EventType]:
    """The device's link, as the gateway sees it."""
    device = {"device": EventField(), "link": EventField()}
    frame = {"messageId": EventField(), "frame": EventField(), "frameSize": EventField()}
    certificate = EventField(
        inside={
            name: EventField()
            for name in ("subject", "serial", "issuer", "publicKey", "notBefore", "notAfter", "usages", "unreadable")
        }
    )
    connected = {**device, "certificate": certificate, "version": EventField(), "address": EventField()}
    connected["relayed"] = EventField()
    yield EventType("Device", "Gateway", "TlsConnected", Subject.DEVICE, connected)
    yield EventType("Device", "Gateway", "TlsRejected", Subject.DEVICE, {**device, "reason": EventField()})
    yield EventType("Device", "Gateway", "Unread", Subject.DEVICE, device)
    unreadable = {**device, **frame, "reason": EventField()}
    for source, target in (("Device", "Gateway"), ("Gateway", "Device")):
        yield EventType(source, target, "UnreadableFrame", Subject.DEVICE, unreadable)
    yield EventType("Kubernetes", "Gateway", "RevocationListRefused", None, {"reason": EventField()})
    for source, target, union in (
        ("Device", "Gateway", messages.DeviceMessage),
        ("Gateway", "Device", messages.GatewayMessage),
    ):
        yield EventType(source, target, "ConnectionClosed", Subject.DEVICE, {**device, "reason": EventField()})
        for message in typing.get_args(union):
            known = {**of_message(message), **device, **frame}
            if message in _CODES:
                known["code"] = replace(known["code"], values=_CODES[message])
            subject = Subject.APPLICATION if "applicationId" in known else Subject.DEVICE
            key_fields = tuple(name for name in ("code", "ok", "state") if name in known)
            yield EventType(source, target, message.__name__, subject, known, key_fields)


def _dialects() -> Iterator[EventType]:
    """The messages of the dialects of the original that protocol 1 does not have."""
    ends = {name: EventField() for name in ("device", "link", "messageId", "frame", "frameSize")}
    for source, target, union, own in (
        ("Device", "Gateway", dialect.DeviceDialectMessage, messages.DeviceMessage),
        ("Gateway", "Device", dialect.GatewayDialectMessage, messages.GatewayMessage),
    ):
        for message in typing.get_args(union):
            if message not in typing.get_args(own):
                known = {**of_message(message), **ends}
                subject = Subject.APPLICATION if "applicationId" in known else Subject.DEVICE
                yield EventType(source, target, message.__name__, subject, known)


def _resource_fields() -> Mapping[str, Mapping[str, EventField]]:
    open_fields = {"metadata": ANY, "spec": ANY, "status": ANY}
    known: dict[str, Mapping[str, EventField]] = {
        resource.kind: open_fields for resource in (SECRET, CONFIG_MAP, LEASE, EVENT)
    }
    for definition in load_crds():
        schema = of_schema(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        inside = schema.inside or {}
        known[definition["spec"]["names"]["kind"]] = {
            "metadata": ANY,
            **{name: inside[name] for name in ("spec", "status")},
        }
    return known


def _subject(kind: str) -> Subject | None:
    return {DEVICE.kind: Subject.DEVICE, GATEWAY.kind: None}.get(
        kind, Subject.APPLICATION if kind == "Application" else None
    )


def _requests() -> Iterator[EventType]:
    """Requests that change something at the API server."""
    common = {
        "code": EventField(),
        "namespace": EventField(),
        "name": EventField(),
        "subresource": EventField(),
        "operations": ANY,
    }
    for kind, body in _resource_fields().items():
        secret = kind == SECRET.kind
        key_fields = ("status.phase",) if "status" in body and body["status"] is not ANY else ()
        for source in _CLIENTS:
            for verb in ("POST", "PUT", "PATCH", "DELETE"):
                yield EventType(
                    source,
                    "Kubernetes",
                    f"{verb} {kind}",
                    Subject.DEVICE if secret else _subject(kind),
                    {**common, **body},
                    key_fields,
                    name_prefix=PAIRING_SECRET_PREFIX if secret else None,
                )


def _watches() -> Iterator[EventType]:
    """Watch events of the API server."""
    common = {"namespace": EventField(), "name": EventField()}
    for kind, body in _resource_fields().items():
        if body["status"] is ANY:
            continue
        for target in _CLIENTS:
            for change in ("ADDED", "MODIFIED", "DELETED"):
                known = {**common, "status": body["status"]}
                yield EventType("Kubernetes", target, f"{change} {kind}", _subject(kind), known, ("status.phase",))


def _http() -> Iterator[EventType]:
    """Requests to the gateway's HTTP API, as their caller sees them."""
    for name in ("DeployApplication", "StopApplication"):
        known = {name: EventField() for name in ("device", "code", "gateway", "token")} | {"wanted": ANY}
        yield EventType("ApplicationController", "Gateway", name, Subject.APPLICATION, known)


def _rest() -> Iterator[EventType]:
    """Requests to the REST API, its answers, the changes for subscribers, and its requests to the compile service."""
    caller = {"caller": EventField()}
    asked = {**caller, "method": EventField(), "path": EventField(), "agent": EventField()}
    answered = {**asked, "code": EventField(), "right": EventField(), "reason": EventField(), "command": EventField()}
    for subject, names in _OPERATIONS.items():
        for name in names:
            yield EventType("User", "ApiServer", name, subject, asked)
            yield EventType("ApiServer", "User", name, subject, answered, ("code",))
    for kind, body in _resource_fields().items():
        if (status := body["status"].inside) is not None:
            for change in ("ADDED", "MODIFIED", "DELETED"):
                known = {"name": EventField(), "subscribers": EventField()}
                known["status"] = EventField(inside={"phase": status["phase"]})
                yield EventType("ApiServer", "User", f"{change} {kind}", _subject(kind), known, ("status.phase",))
    module = {"size": EventField(), "sha256": EventField()}
    for source, target, name, fields in (
        ("ApiServer", "Compiler", "Compile", {"language": EventField()}),
        ("Compiler", "ApiServer", "CompilationSucceeded", module),
        ("Compiler", "ApiServer", "CompilationFailed", {"errors": EventField()}),
    ):
        yield EventType(source, target, name, Subject.CALLER, {**caller, **fields})


_FUTURE: Mapping[tuple[str, Subject], tuple[tuple[str, str, str], ...]] = {
    (_PX4, Subject.APPLICATION): (
        ("Px4", "MicroRos", "UorbTopic, CommandAcknowledgment"),
        ("MicroRos", "Dds", "DdsSample"),
        ("Dds", "Gateway", "DdsSample"),
        ("Gateway", "Device", "TopicData"),
        ("Device", "Gateway", "ControlCommand"),
        ("Gateway", "Dds", "DdsCommand"),
        ("Dds", "MicroRos", "DdsCommand"),
        ("MicroRos", "Px4", "MavlinkCommand"),
    ),
}


def _future() -> Iterator[EventType]:
    """Events of parts that are not built yet. The fields of their data are unknown."""
    for (reason, subject), rows in _FUTURE.items():
        for source, target, names in rows:
            for name in names.split(", "):
                yield EventType(source, target, name, subject, pending=reason)


def bind(source: str, target: str, label: Label) -> tuple[EventType, Label]:
    """The event of an arrow, and its label with values in the event's units.

    Raises UsageError with a suggestion for an unknown participant, event, or field.
    """
    for participant in (source, target):
        if participant not in PARTICIPANTS:
            raise UsageError(f"unknown participant {participant!r}", do=_suggest(participant, PARTICIPANTS))
    table = event_types()
    row = table.get((source, target, label.name))
    if row is None:
        here = [name for s, t, name in table if (s, t) == (source, target)]
        elsewhere = [f"{label.name} goes {s}->>{t}" for s, t, name in table if name == label.name]
        hint = "; ".join(elsewhere[:3]) if elsewhere and label.name not in here else _suggest(label.name, here)
        raise UsageError(f"no event called {label.name!r} goes from {source} to {target}", do=hint)
    if row.pending:
        return row, label
    return row, Label(label.name, tuple(check_condition(condition, row.fields) for condition in label.conditions))


def _suggest(word: str, known: Iterable[str]) -> str:
    choices = sorted(set(known))
    close = get_close_matches(word, choices, n=1, cutoff=0.9) or get_close_matches(word, choices, n=3, cutoff=0.4)
    close = close or choices[:12]
    return f"did you mean {' or '.join(close)}?" if close else "there are no events in this direction"
