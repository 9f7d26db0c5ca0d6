"""For each invariant a history that breaks it and one that nearly does. The docs show the verdicts on the first."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2

from harness.core.clock import ManualClock
from harness.core.history import Event, History, Kind
from harness.invariants import Judgement, Party, Violation

ID = "123e4567-e89b-42d3-a456-426614174000"
OTHER_ID = "123e4567-e89b-42d3-a456-426614174999"
KEY, OTHER_KEY = b"\x30key", b"\x30other"
START = 1_800_000_000.0
MODULE = bytes(100)


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Story:
    """A history written by hand, of device ``pump-1`` at ``gateway-1`` unless another is named."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.history = History(self.clock)
        self.gets_late: Callable[[], object] = lambda: None
        """Called whenever time has passed."""

    def later(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))
        self.gets_late()
        self.history.note("later")

    def note(self, name: str, about: str = "", **data: Any) -> None:
        self.history.note(name, about, **data)

    def fault(self, name: str, about: str = "") -> None:
        self.history.record(Kind.FAULT, "Harness", "Device", name, {}, about)

    def state(self, kind: str, name: str, change: str = "modified", **data: Any) -> None:
        self.history.record(Kind.STATE, "Kubernetes", "", kind, {"change": change, "name": name, **data}, name)

    def writes(self, source: str, name: str, about: str, code: int = 200, **data: Any) -> None:
        self.history.record(Kind.MESSAGE, source, "Kubernetes", name, {"code": code, "name": about, **data}, about)

    def writes_status(self, source: str, kind: str, name: str, **status: Any) -> None:
        """A write, and the change of the resource that follows."""
        self.writes(source, f"PATCH {kind}", name, subresource="status", status=status)
        self.state(kind, name, status=status)

    def device(self, name: str, about: str = "", device: str = "pump-1", link: int = 1, **data: Any) -> None:
        self._crosses("Device", "Gateway", name, about, device, link, data)

    def gateway(self, name: str, about: str = "", device: str = "pump-1", link: int = 1, **data: Any) -> None:
        self._crosses("Gateway", "Device", name, about, device, link, data)

    def _crosses(
        self, source: str, target: str, name: str, about: str, device: str, link: int, data: dict[str, Any]
    ) -> None:
        data = {"device": device, "link": f"gateway-1/{link}", **data}
        self.history.record(Kind.MESSAGE, source, target, name, data, about or device)

    # What good ones do.

    def gateway_up(self, **settings: Any) -> None:
        certificate = {"notBefore": moment(START - 1000), "notAfter": moment(START + 1000)}
        told: dict[str, Any] = {
            "gateway": "gateway-1",
            "token": "(secret 1)",
            "heartbeatInterval": 1000,
            "retryAfter": 500,
            "chunkWindow": 4,
            "certificates": [certificate],
            "deviceAuthority": {"subject": "CN=devices", **certificate},
        }
        self.note("gateway up", **told | settings)

    def connects(self, device: str = "pump-1", link: int = 1, **certificate: Any) -> None:
        told: dict[str, Any] = {
            "subject": f"CN={device}",
            "serial": "1",
            "issuer": "CN=devices",
            "publicKey": b64encode(KEY).decode(),
            "notBefore": moment(START - 1000),
            "notAfter": moment(START + 1000),
            "usages": ["digitalSignature", "clientAuth"],
        }
        address = f"127.0.0.1:{10_000 + link}"
        self.device("TlsConnected", device=device, link=link, certificate=told | certificate, address=address)

    def asks(self, device: str = "pump-1", link: int = 1, number: int = 1, **data: Any) -> None:
        nonce = data.pop("nonce", f"{device}{link}".encode().hex())
        told: dict[str, Any] = {"deviceType": "mcu", "publicKey": KEY.hex(), "nonce": nonce}
        self.device("EnrollmentRequest", device=device, link=link, messageId=number, **told | data)

    def responds(self, device: str = "pump-1", link: int = 1, number: int = 1, **data: Any) -> None:
        told: dict[str, Any] = {"deviceId": ID, "heartbeatInterval": 1000}
        self.gateway("EnrollmentResponse", device=device, link=link, messageId=number, **told | data)

    def beats(self, number: int = 2, link: int = 1, answered: bool = True, **data: Any) -> None:
        told: dict[str, Any] = {
            "deviceId": ID,
            "deviceTime": int(self.clock.now() * 1000),
            "status": "running",
            "metrics": {"errors": 0},
            "runtimeStatus": "ready",
            "applications": {},
        }
        self.device("Heartbeat", link=link, messageId=number, **told | data)
        if answered:
            time = int(self.clock.now() * 1000)
            self.gateway("HeartbeatAcknowledgment", link=link, messageId=number, gatewayTime=time)

    def vital_signs(self, **status: Any) -> dict[str, Any]:
        told: dict[str, Any] = {
            "lastHeartbeat": moment(self.clock.now()),
            "deviceStatus": "Running",
            "wasmRuntime": "ready",
            "health": "healthy",
            "deviceMetrics": {"errors": 0},
        }
        return told | status

    def enrolls(self, link: int = 1) -> None:
        """From the gateway's start to the first heartbeat's answer."""
        self.gateway_up()
        self.note("power on", "pump-1")
        self.connects(link=link)
        self.asks(link=link)
        self.writes("Gateway", "POST Device", "pump-1", 201)
        spec = {"deviceType": "mcu", "publicKey": b64encode(KEY).decode()}
        self.state("Device", "pump-1", "added", spec=spec, status={"phase": "Pending"})
        self.writes_status("Gateway", "Device", "pump-1", phase="Enrolling", deviceId=ID, gateway="gateway-1")
        self.writes_status("DeviceController", "Device", "pump-1", phase="Enrolled")
        self.responds(link=link)
        self.device("EnrollmentAcknowledgment", link=link, messageId=1, deviceId=ID)
        self.beats(link=link)
        self.becomes_connected()

    def becomes_connected(self, **status: Any) -> None:
        since = {"phase": "Connected", "connectedSince": moment(self.clock.now())}
        self.writes_status("Gateway", "Device", "pump-1", **self.vital_signs(**since | status))

    def closes(self, source: str = "Device", link: int = 1, reason: str = "closed by the peer") -> None:
        (self.device if source == "Device" else self.gateway)("ConnectionClosed", link=link, reason=reason)

    def becomes_disconnected(self, **status: Any) -> None:
        told: dict[str, Any] = {
            "lastHeartbeat": None,
            "connectedSince": None,
            "deviceStatus": "Stopped",
            "health": "unknown",
        }
        self.writes_status(
            "Gateway", "Device", "pump-1", phase="Disconnected", error="Connection lost", **told | status
        )

    def specifies(self, **config: Any) -> None:
        spec = {"config": {"memoryLimit": 65536, "fuel": 1000, "timeLimit": 50, "entry": "run", **config}}
        self.state("Application", "app", "added", metadata={"generation": 1}, spec=spec, status={"phase": "Pending"})

    def is_asked_to_deploy(self, application: str = "app", token: str = "(secret 1)", **wanted: Any) -> None:
        told: dict[str, Any] = {
            "size": 100,
            "sha256": hashlib.sha256(MODULE).hexdigest(),
            "limits": {"memory": 65536, "fuel": 1000, "wallTime": 50},
            "entry": "run",
            "generation": 1,
        }
        data = {"device": "pump-1", "gateway": "gateway-1", "token": token, "wanted": told | wanted}
        self.history.record(Kind.MESSAGE, "ApplicationController", "Gateway", "DeployApplication", data, application)

    def is_asked_to_stop(self, application: str = "app") -> None:
        data = {"device": "pump-1", "gateway": "gateway-1", "token": "(secret 1)"}
        self.history.record(Kind.MESSAGE, "ApplicationController", "Gateway", "StopApplication", data, application)

    def deploys(self, application: str = "app", number: int = 10, size: int = 100, **data: Any) -> None:
        told: dict[str, Any] = {
            "applicationId": application,
            "size": size,
            "chunkSize": 50,
            "sha256": hashlib.sha256(bytes(size)).hexdigest(),
            "limits": {"memory": 65536, "fuel": 1000, "wallTime": 50},
            "entry": "run",
        }
        self.gateway("Deploy", application, messageId=number, **told | data)

    def chunk(
        self, index: int, number: int, size: int = 50, acknowledged: bool = True, application: str = "app"
    ) -> None:
        self.gateway(
            "ModuleChunk", application, messageId=number, applicationId=application, index=index, data=bytes(size).hex()
        )
        if acknowledged:
            self.device("ChunkAcknowledgment", application, messageId=number, applicationId=application, index=index)

    def answers(self, number: int = 10, application: str = "app", **data: Any) -> None:
        told: dict[str, Any] = {"ok": True, "applicationId": application}
        self.device("DeploymentResult", application, messageId=number, **told | data)

    def runs(self) -> None:
        """All of a deployment until the device reports that it runs."""
        self.enrolls()
        self.specifies()
        self.is_asked_to_deploy()
        self.deploys()
        self.chunk(0, 11)
        self.chunk(1, 12)
        self.answers()
        self.writes_entry(state="deployed")
        self.device("ApplicationStatus", "app", applicationId="app", state="running", messageId=20)
        self.writes_entry(state="running")

    def writes_entry(self, **entry: Any) -> None:
        self.writes_status("Gateway", "Application", "app", deviceStatuses={"pump-1": entry})

    def stops(self, number: int = 30) -> None:
        self.is_asked_to_stop()
        self.gateway("Stop", "app", messageId=number, applicationId="app")
        self.device("StopResult", "app", messageId=number, applicationId="app", ok=True)

    def sends_bytes(self, source: str, name: str, payload: bytes, link: int = 1, **data: Any) -> None:
        frame: dict[str, Any] = {"frame": b64encode(payload).decode(), "frameSize": len(payload), "messageId": 1}
        (self.device if source == "Device" else self.gateway)(name, link=link, **frame | data)

    def violations(self) -> list[Violation]:
        judgement = Judgement()
        for event in self.history:
            judgement.see(event)
        assert judgement.unjudged == []
        return judgement.violations()

    def broken(self) -> list[str]:
        return [violation.rule for violation in self.violations()]

    @property
    def last(self) -> Event:
        return self.history[-1]


Tale = Callable[[Story], object]


@dataclass(frozen=True)
class Example:
    """Histories about one invariant, and the party that the broken ones convict."""

    breaks: Tale
    nearly: Tale
    party: Party


def example(party: Party, breaks: Tale, nearly: Tale) -> Example:
    return Example(breaks, nearly, party)


def _all(*parts: Tale) -> Tale:
    return lambda story: [part(story) for part in parts]


def enrolled(story: Story) -> None:
    story.enrolls()


def running(story: Story) -> None:
    story.runs()


def _stop_frame(extra: bytes = b"") -> bytes:
    return cbor2.dumps([1, 1, [6, {0: "app"}]], canonical=True) + extra


def _revoke(story: Story) -> None:
    story.note("revocation list in force", serials=["1"])


def _pair(story: Story, token: str) -> None:
    story.device("TlsConnected", certificate=None, address="127.0.0.1:10001")
    story.asks(csr={"size": 300}, pairingToken=token)
    story.responds(certificate={"size": 500, "sha256": "0"})


def _condition(status: str, time: float) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": moment(time)}]}


def _statistics(**numbers: int) -> dict[str, Any]:
    told: dict[str, Any] = {"target": 2, "deployed": 2, "running": 2, "failed": 0, **numbers}
    return {"statistics": told, "deployedDevices": ["pump-1", "pump-2"][: told["deployed"]]}


def _application_becomes(story: Story, phase: str, **numbers: int) -> None:
    story.specifies()
    for each in dict.fromkeys(("Creating", "Deploying", "Deployed", phase)):
        of_last = _statistics(**numbers) if each == phase else {}
        story.writes_status("ApplicationController", "Application", "app", phase=each, **of_last)


def _beats_often(s: Story) -> None:
    for number in range(3, 203):
        s.beats(number, status="degraded")


def _resumes_elsewhere(story: Story) -> None:
    """A second connection of the same device is refused, as it must be."""
    story.connects(link=2)
    story.asks(link=2, number=1)
    story.gateway("Error", link=2, messageId=1, code="DUPLICATE_DEVICE", retryAfter=1000)
    story.closes("Gateway", link=2)


def _observes(story: Story, *sessions: Mapping[str, Any], **metrics: float) -> None:
    told: dict[str, Any] = {f"wasmbed_gateway_messages_total{{type={name}}}": value for name, value in metrics.items()}
    since = story.history.recorded
    story.note("gateway observed", gateway="gateway-1", since=since, sessions=list(sessions), metrics=told)


SESSION = {"address": "127.0.0.1:10001", "device": "pump-1", "state": "connected"}
METRICS = {"EnrollmentRequest": 1, "EnrollmentAcknowledgment": 1, "Heartbeat": 1}

EXAMPLES: Mapping[str, Example] = {
    "frames keep the contract": example(
        Party.GATEWAY,
        _all(
            enrolled, lambda s: s.sends_bytes("Gateway", "Stop", _stop_frame(b"\x00"), about="app", applicationId="app")
        ),
        _all(
            enrolled,
            lambda s: s.sends_bytes("Gateway", "Stop", cbor2.dumps([1, 1, [6, {0: "app", 9: 1}]]), about="app"),
        ),
    ),
    "device turns": example(
        Party.BOARD,
        _all(lambda s: s.gateway_up(), lambda s: s.connects(), lambda s: s.device("DeviceInfo", memory=1)),
        _all(
            enrolled,
            lambda s: s.gateway("DeviceInfoRequest", messageId=9),
            lambda s: s.device("DeviceInfo", messageId=9),
        ),
    ),
    "gateway turns": example(
        Party.GATEWAY,
        _all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.gateway("Error", messageId=1, code="CERTIFICATE_INVALID"),
            lambda s: s.responds(),
        ),
        _all(
            enrolled,
            lambda s: s.gateway("Error", messageId=3, code="PROTOCOL_ERROR"),
            lambda s: s.gateway("DeviceInfoRequest", messageId=9),
        ),
    ),
    "nothing after the end of a link": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.closes(), lambda s: s.gateway("DeviceInfoRequest", messageId=9)),
        _all(enrolled, lambda s: s.gateway("DeviceInfoRequest", messageId=9), lambda s: s.closes()),
    ),
    "one session a device": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.connects(link=2), lambda s: s.beats(9, link=2)),
        _all(enrolled, lambda s: s.closes(), lambda s: s.connects(link=2), lambda s: s.beats(9, link=2)),
    ),
    "gateway replies": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=4, gatewayTime=int(START * 1000)),
        ),
        _all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.beats(4),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(START * 1000)),
        ),
    ),
    "device replies": example(
        Party.BOARD,
        _all(
            enrolled,
            lambda s: s.gateway("Stop", "app", messageId=8, applicationId="app"),
            lambda s: s.device("StopResult", "app", messageId=9, applicationId="app", ok=True),
        ),
        _all(
            enrolled,
            lambda s: s.gateway("Stop", "one", messageId=8, applicationId="one"),
            lambda s: s.gateway("Stop", "two", messageId=9, applicationId="two"),
            lambda s: s.device("StopResult", "two", messageId=9, applicationId="two", ok=True),
            lambda s: s.device("StopResult", "one", messageId=8, applicationId="one", ok=True),
        ),
    ),
    "fresh device ids": example(
        Party.BOARD,
        _all(enrolled, lambda s: s.beats(2, answered=False)),
        _all(enrolled, lambda s: s.closes(), lambda s: s.connects(link=2), lambda s: s.beats(2, link=2)),
    ),
    "fresh gateway ids": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.gateway("Stop", "one", messageId=8, applicationId="one"),
            lambda s: s.gateway("DeviceInfoRequest", messageId=8),
        ),
        _all(
            enrolled,
            lambda s: s.gateway("Stop", "one", messageId=2, applicationId="one"),
            lambda s: s.gateway("DeviceInfoRequest", messageId=3),
        ),
    ),
    "replays are refused": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.device("RuntimeFault", "app", messageId=5, applicationId="app"),
            lambda s: s.gateway("Error", messageId=5, code="REPLAYED_MESSAGE"),
        ),
        _all(
            lambda s: s.note("peer connected", "pump-1", address="127.0.0.1:10001"),
            enrolled,
            lambda s: s.beats(2, answered=False),
            lambda s: s.gateway("Error", messageId=2, code="REPLAYED_MESSAGE"),
        ),
    ),
    "authenticated devices": example(
        Party.GATEWAY,
        lambda s: s.writes("Gateway", "POST Device", "pump-1", 201),
        lambda s: s.writes("User", "POST Device", "pump-1", 201),
    ),
    "unique device ids": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.state("Device", "pump-2", "added", status={"phase": "Pending", "deviceId": ID})),
        _all(
            enrolled, lambda s: s.state("Device", "pump-2", "added", status={"phase": "Pending", "deviceId": OTHER_ID})
        ),
    ),
    "valid certificates": example(
        Party.GATEWAY,
        _all(lambda s: s.gateway_up(), lambda s: s.connects(notAfter=moment(START - 60)), lambda s: s.beats()),
        _all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(notAfter=moment(START - 60)),
            lambda s: s.beats(answered=False),
            lambda s: s.gateway("Error", messageId=2, code="CERTIFICATE_INVALID"),
        ),
    ),
    "one key a device": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2, publicKey=b64encode(OTHER_KEY).decode()),
            lambda s: s.beats(3, link=2),
        ),
        _all(enrolled, lambda s: s.closes(), lambda s: s.connects(link=2, serial="2"), lambda s: s.beats(3, link=2)),
    ),
    "the device's own id": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, deviceId=OTHER_ID),
        ),
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, deviceId=OTHER_ID, answered=False),
            lambda s: s.gateway("Error", link=2, messageId=3, code="ENROLLMENT_FAILED"),
        ),
    ),
    "fresh nonces": example(
        Party.BOARD,
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.asks(link=2, nonce=b"pump-11".hex()),
        ),
        _all(enrolled, lambda s: s.connects("pump-2", 2), lambda s: s.asks("pump-2", 2, nonce=b"pump-11".hex())),
    ),
    "pairing tokens": example(
        Party.GATEWAY,
        _all(lambda s: s.note("pairing token issued", "pump-1", token="(secret 5)"), lambda s: _pair(s, "(secret 6)")),
        _all(lambda s: s.note("pairing token issued", "pump-1", token="(secret 5)"), lambda s: _pair(s, "(secret 5)")),
    ),
    "revoked devices": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.closes(), _revoke, lambda s: s.connects(link=2), lambda s: s.beats(3, link=2)),
        _all(
            enrolled,
            _revoke,
            lambda s: s.beats(3),
            lambda s: s.gateway("Error", messageId=4, code="CERTIFICATE_INVALID"),
            lambda s: s.closes("Gateway"),
        ),
    ),
    "the gateway's API token": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.is_asked_to_deploy(token="(secret 9)")),
        _all(enrolled, lambda s: s.is_asked_to_deploy()),
    ),
    "a gateway to trust": example(
        Party.BOARD,
        _all(lambda s: s.gateway_up(certificates=[{"notAfter": moment(START - 60)}]), lambda s: s.connects()),
        _all(
            lambda s: s.gateway_up(certificates=[{"notAfter": moment(START - 60)}, {"notAfter": moment(START + 60)}]),
            lambda s: s.connects(),
        ),
    ),
    "gateway time": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(START)),
        ),
        _all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(START * 1000) + 60_000),
        ),
    ),
    "device time": example(
        Party.BOARD,
        _all(enrolled, lambda s: s.beats(3, deviceTime=5000)),
        _all(enrolled, lambda s: s.later(1), lambda s: s.beats(3)),
    ),
    "heartbeat interval": example(
        Party.GATEWAY,
        _all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.responds(heartbeatInterval=1),
        ),
        enrolled,
    ),
    "retry after": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=1)),
        _all(enrolled, lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=500)),
    ),
    "devices wait to retry": example(
        Party.BOARD,
        _all(
            enrolled,
            lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=5000),
            lambda s: s.closes("Gateway"),
            lambda s: s.later(1),
            lambda s: s.connects(link=2),
        ),
        _all(
            enrolled,
            lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=5000),
            lambda s: s.closes("Gateway"),
            lambda s: s.later(1),
            lambda s: s.fault("reset", "pump-1"),
            lambda s: s.connects(link=2),
        ),
    ),
    "boards beat": example(
        Party.BOARD,
        _all(
            lambda s: s.note("stack started", boards="virtual"),
            enrolled,
            lambda s: s.later(3.1),
            lambda s: s.closes("Gateway", reason="3 heartbeats missed"),
        ),
        _all(
            lambda s: s.note("stack started", boards="virtual"),
            enrolled,
            lambda s: s.fault("pause", "pump-1"),
            lambda s: s.later(3.1),
            lambda s: s.closes("Gateway", reason="3 heartbeats missed"),
        ),
    ),
    "live links are connected": example(
        Party.BOARD,
        _all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.responds(),
            lambda s: s.later(4),
        ),
        _all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.responds(),
            lambda s: s.closes(),
            lambda s: s.later(4),
        ),
    ),
    "legal phases": example(
        Party.DEVICE_CONTROLLER,
        _all(enrolled, lambda s: s.writes_status("DeviceController", "Device", "pump-1", phase="Pending")),
        _all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected()),
    ),
    "disconnected devices": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected(health="healthy")),
        _all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected()),
    ),
    "connected since": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.becomes_disconnected(),
            lambda s: s.later(20),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2),
            lambda s: s.becomes_connected(connectedSince=moment(START)),
        ),
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.becomes_disconnected(),
            lambda s: s.later(20),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2),
            lambda s: s.becomes_connected(),
        ),
    ),
    "vital signs": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.beats(3, status="degraded"),
            lambda s: s.writes_status("Gateway", "Device", "pump-1", **s.vital_signs(deviceStatus="Degraded")),
        ),
        _all(
            enrolled,
            _beats_often,
            lambda s: s.writes_status(
                "Gateway", "Device", "pump-1", **s.vital_signs(deviceStatus="Degraded", health="degraded")
            ),
            lambda s: s.writes_status("Gateway", "Device", "pump-1", **s.vital_signs()),
        ),
    ),
    "live devices stay connected": example(
        Party.GATEWAY,
        _all(enrolled, _resumes_elsewhere, lambda s: s.becomes_disconnected()),
        _all(enrolled, _resumes_elsewhere, lambda s: s.closes(), lambda s: s.becomes_disconnected()),
    ),
    "ended links are written": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.closes(), lambda s: s.later(20)),
        _all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected(), lambda s: s.later(20)),
    ),
    "spec follows the request": example(
        Party.GATEWAY,
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.becomes_disconnected(),
            lambda s: s.connects(link=2),
            lambda s: s.asks(link=2, deviceType="virtual"),
            lambda s: s.responds(link=2),
            lambda s: s.device("EnrollmentAcknowledgment", link=2, messageId=1, deviceId=ID),
            lambda s: s.beats(link=2),
            lambda s: s.becomes_connected(),
        ),
        enrolled,
    ),
    "transition times": example(
        Party.DEVICE_CONTROLLER,
        _all(
            enrolled,
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **_condition("True", START)),
            lambda s: s.later(5),
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **_condition("True", START + 5)),
        ),
        _all(
            enrolled,
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **_condition("True", START)),
            lambda s: s.later(5),
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **_condition("False", START + 5)),
        ),
    ),
    "connected is written once": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.becomes_connected()),
        _all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.becomes_disconnected(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2),
            lambda s: s.becomes_connected(),
        ),
    ),
    "transfers": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys(), lambda s: s.chunk(1, 11)),
        _all(
            enrolled,
            lambda s: s.is_asked_to_deploy(),
            lambda s: s.deploys(),
            lambda s: s.chunk(0, 11, acknowledged=False),
            lambda s: s.chunk(1, 12, acknowledged=False),
            lambda s: s.chunk(0, 13),
        ),
    ),
    "deploy as asked": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys(entry="main")),
        _all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.deploys()),
    ),
    "asked as specified": example(
        Party.APPLICATION_CONTROLLER,
        _all(enrolled, lambda s: s.specifies(fuel=5), lambda s: s.is_asked_to_deploy()),
        _all(enrolled, lambda s: s.specifies(fuel=5), lambda s: s.is_asked_to_deploy(generation=0)),
    ),
    "no lost deployment": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.later(61)),
        _all(enrolled, lambda s: s.is_asked_to_deploy(), lambda s: s.is_asked_to_stop(), lambda s: s.later(61)),
    ),
    "states are reported": example(
        Party.GATEWAY,
        _all(
            running,
            lambda s: s.is_asked_to_stop(),
            lambda s: s.gateway("Stop", "app", messageId=30, applicationId="app"),
            lambda s: s.writes_entry(state="stopped"),
        ),
        _all(running, lambda s: s.stops(), lambda s: s.writes_entry(state="stopped")),
    ),
    "outputs of this run": example(
        Party.GATEWAY,
        _all(running, lambda s: s.writes_entry(output=[{"topic": "t", "payload": "1", "encoding": "text"}])),
        _all(
            running,
            lambda s: s.device(
                "ApplicationStatus",
                "app",
                applicationId="app",
                state="running",
                messageId=21,
                publications=[{"topic": "t", "payload": b"1".hex()}],
            ),
            lambda s: s.writes_entry(output=[{"topic": "t", "payload": "1", "encoding": "text"}]),
        ),
    ),
    "stops are awaited": example(
        Party.APPLICATION_CONTROLLER,
        _all(running, lambda s: s.is_asked_to_stop(), lambda s: s.state("Application", "app", "deleted")),
        _all(running, lambda s: s.stops(), lambda s: s.state("Application", "app", "deleted")),
    ),
    "phases add up": example(
        Party.APPLICATION_CONTROLLER,
        lambda s: _application_becomes(s, "Running", running=1),
        lambda s: _application_becomes(s, "PartiallyRunning", running=1),
    ),
    "nothing runs after its Application is deleted or stopped": example(
        Party.BOARD,
        _all(running, lambda s: s.stops(), lambda s: s.beats(40, applications={"app": "running"})),
        _all(running, lambda s: s.beats(40, applications={"app": "running"}), lambda s: s.stops()),
    ),
    "connected devices": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.writes("Gateway", "PATCH Gateway", "gateway-1", status={"connectedDevices": 2})),
        _all(enrolled, lambda s: s.writes("Gateway", "PATCH Gateway", "gateway-1", status={"connectedDevices": 1})),
    ),
    "live gateways are online": example(
        Party.GATEWAY_CONTROLLER,
        _all(
            enrolled,
            lambda s: s.state("Gateway", "gateway-1", "added", status={"phase": "Pending"}),
            lambda s: s.writes_status(
                "Gateway", "Gateway", "gateway-1", phase="Online", lastSeenIntervalMilliseconds=5000
            ),
            lambda s: s.later(2),
            lambda s: s.writes_status("GatewayController", "Gateway", "gateway-1", phase="Offline"),
        ),
        _all(
            enrolled,
            lambda s: s.state("Gateway", "gateway-1", "added", status={"phase": "Pending"}),
            lambda s: s.writes_status(
                "Gateway", "Gateway", "gateway-1", phase="Online", lastSeenIntervalMilliseconds=5000
            ),
            lambda s: s.later(15),
            lambda s: s.writes_status("GatewayController", "Gateway", "gateway-1", phase="Offline"),
        ),
    ),
    "sessions are listed": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: s.closes(), lambda s: _observes(s, SESSION, **METRICS)),
        _all(enrolled, lambda s: _observes(s, SESSION, **METRICS)),
    ),
    "metrics count": example(
        Party.GATEWAY,
        _all(enrolled, lambda s: _observes(s, SESSION, **{**METRICS, "Heartbeat": 7})),
        _all(enrolled, lambda s: _observes(s, SESSION, **METRICS)),
    ),
    "applications do not survive a reset": example(
        Party.BOARD,
        _all(
            running,
            lambda s: s.fault("reset", "pump-1"),
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, applications={"app": "running"}),
        ),
        _all(
            running,
            lambda s: s.fault("cut link", "pump-1"),
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, applications={"app": "running"}),
        ),
    ),
    "failed deployments do not run": example(
        Party.BOARD,
        _all(
            enrolled,
            lambda s: s.is_asked_to_deploy(),
            lambda s: s.deploys(),
            lambda s: s.answers(ok=False),
            lambda s: s.beats(40, applications={"app": "running"}),
        ),
        _all(
            enrolled,
            lambda s: s.is_asked_to_deploy(),
            lambda s: s.deploys(),
            lambda s: s.answers(ok=False),
            lambda s: s.beats(40, applications={"app": "failed"}),
        ),
    ),
}
"""By the invariant's name."""
