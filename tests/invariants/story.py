"""Histories written by hand: a story that says what each party does, and what an example consists of."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import CertificateSigningRequestBuilder, Name, NameAttribute
from cryptography.x509.oid import NameOID

from harness.core.clock import ManualClock
from harness.core.history import Event, Kind
from harness.invariants import Judgement, Party, Violation
from harness.stack.record import Record

ID = "123e4567-e89b-42d3-a456-426614174000"
OTHER_ID = "123e4567-e89b-42d3-a456-426614174999"
KEY, OTHER_KEY = b"\x30key", b"\x30other"
START = 1_800_000_000.0
MODULE = bytes(100)


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Story:
    """A history written by hand, of device ``pump-1`` at ``gateway-1`` unless another is named. A link is a number, or
    the name of one at another gateway."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.history = Record(self.clock)
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

    def device(self, name: str, about: str = "", device: str = "pump-1", link: int | str = 1, **data: Any) -> None:
        self._crosses("Device", "Gateway", name, about, device, link, data)

    def gateway(self, name: str, about: str = "", device: str = "pump-1", link: int | str = 1, **data: Any) -> None:
        self._crosses("Gateway", "Device", name, about, device, link, data)

    def _crosses(
        self, source: str, target: str, name: str, about: str, device: str, link: int | str, data: dict[str, Any]
    ) -> None:
        link = link if isinstance(link, str) else f"gateway-1/{link}"
        data = {"device": device, "link": link, **data}
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

    def asks_to_be_certified(self, *, damaged: bool = False) -> None:
        """An enrollment request as it is on the wire, with a certification request of the same key."""
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        subject = Name([NameAttribute(NameOID.COMMON_NAME, "pump-1")])
        csr = CertificateSigningRequestBuilder().subject_name(subject).sign(key, None).public_bytes(Encoding.DER)
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        csr = csr[:-1] + bytes((csr[-1] ^ damaged,))
        nonce = bytes(16)
        fields = {0: "mcu", 1: "mcu", 2: "mcu", 3: ["tls"], 4: public, 5: "1.0.0", 6: nonce, 7: csr}
        payload = cbor2.dumps([1, 1, [1, fields]], canonical=True)
        told: dict[str, Any] = {
            "mcuType": "mcu",
            "architecture": "mcu",
            "capabilities": ["tls"],
            "firmwareVersion": "1.0.0",
            "pairingToken": "(secret 2)",
            "csr": {"size": len(csr), "sha256": hashlib.sha256(csr).hexdigest()},
            "frame": b64encode(payload).decode(),
            "frameSize": len(payload),
        }
        self.asks(nonce=nonce.hex(), publicKey=public.hex(), **told)

    def responds(self, device: str = "pump-1", link: int = 1, number: int = 1, **data: Any) -> None:
        told: dict[str, Any] = {"deviceId": ID, "heartbeatInterval": 1000}
        self.gateway("EnrollmentResponse", device=device, link=link, messageId=number, **told | data)

    def beats(self, number: int = 2, link: int | str = 1, answered: bool = True, **data: Any) -> None:
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

    def leases(self, holder: str, writer: str = "ControllerManager") -> None:
        """A manager takes the lease for fifteen seconds, or gives it back; or another ``writer`` gives it away."""
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
        self.writes(writer, "PUT Lease", "wasmbed-controllers", spec=spec)

    def enrolls_again(self, count: int) -> None:
        """On another link; the controller accepts, and writes that count."""
        self.becomes_disconnected()
        self.writes_status("Gateway", "Device", "pump-1", phase="Enrolling")
        self.writes_status("DeviceController", "Device", "pump-1", phase="Enrolled", enrollments=count)

    def closes(self, source: str = "Device", link: int | str = 1, reason: str = "closed by the peer") -> None:
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

    def refuses(self, code: int, token: str = "(secret 1)") -> None:
        """The gateway refuses an order about the application."""
        data = {"device": "pump-1", "gateway": "gateway-1", "token": token, "code": code, "reason": "no"}
        self.history.record(Kind.MESSAGE, "Gateway", "ApplicationController", "RequestRefused", data, "app")

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
        if not data.get("ok", True):
            told |= {"error": "no entry"}
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


def all(*parts: Tale) -> Tale:
    return lambda story: [part(story) for part in parts]


def enrolled(story: Story) -> None:
    story.enrolls()


def enrolls_at(story: Story, time: float) -> None:
    """The device controller writes when it accepted an enrollment; a second passes."""
    story.writes_status("DeviceController", "Device", "pump-1", enrolledAt=moment(time))
    story.later(1)


def registered(story: Story) -> None:
    """The gateway has its resource, and a device asks it to enroll."""
    story.gateway_up()
    story.state("Gateway", "gateway-1", "added", spec={"endpoint": "10.0.0.1:4433"}, status={})
    story.connects()
    story.asks()


def uncertified(story: Story) -> None:
    """A device without a certificate connects."""
    story.device("TlsConnected", certificate=None)


def running(story: Story) -> None:
    story.runs()


def stop_frame(extra: bytes = b"") -> bytes:
    return cbor2.dumps([1, 1, [6, {0: "app"}]], canonical=True) + extra


def revoke(story: Story) -> None:
    story.note("revocation list in force", serials=["1"])


def pair(story: Story, token: str) -> None:
    story.device("TlsConnected", certificate=None, address="127.0.0.1:10001")
    story.asks(csr={"size": 300}, pairingToken=token)
    story.responds(certificate={"size": 500, "sha256": "0"})


def condition(status: str, time: float) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": moment(time)}]}


def _statistics(**numbers: int) -> dict[str, Any]:
    told: dict[str, Any] = {"target": 2, "deployed": 2, "running": 2, "failed": 0, **numbers}
    return {"statistics": told, "deployedDevices": ["pump-1", "pump-2"][: told["deployed"]]}


def application_becomes(story: Story, phase: str, **numbers: int) -> None:
    story.specifies()
    for each in dict.fromkeys(("Creating", "Deploying", "Deployed", phase)):
        of_last = _statistics(**numbers) if each == phase else {}
        story.writes_status("ApplicationController", "Application", "app", phase=each, **of_last)


def beats_often(s: Story) -> None:
    for number in range(3, 203):
        s.beats(number, status="degraded")


def resumes_elsewhere(story: Story) -> None:
    """A second connection of the same device is refused, as it must be."""
    story.connects(link=2)
    story.asks(link=2, number=1)
    story.gateway("Error", link=2, messageId=1, code="DUPLICATE_DEVICE", retryAfter=1000)
    story.closes("Gateway", link=2)


def refuses_after(story: Story, *seconds: float) -> None:
    """Orders that are refused, each so long after the one before."""
    story.refuses(429)
    for each in seconds:
        story.later(each)
        story.refuses(429)


def attempts(story: Story, *numbers: int) -> None:
    """The controller notes each request to deploy the same revision."""
    story.specifies()
    for number in numbers:
        record = {"deployment": {"revision": "r", "attempts": number}}
        story.writes_status("ApplicationController", "Application", "app", deviceStatuses={"pump-1": record})


def counts_retries(story: Story, number: int) -> None:
    """The controller writes how many attempts it repeated."""
    story.writes_status("ApplicationController", "Application", "app", statistics={"target": 1}, retryCount=number)


def changes_spec(story: Story, generation: int) -> None:
    observed = {"phase": "Connected", "observedGeneration": 1}
    story.state("Device", "pump-1", metadata={"generation": generation}, status=observed)


def observes_spec(story: Story, generation: int) -> None:
    story.writes_status("DeviceController", "Device", "pump-1", observedGeneration=generation)


def reports_use(story: Story, **metrics: int) -> None:
    story.device("ApplicationStatus", "app", applicationId="app", state="running", messageId=21, metrics=metrics)


def observes(story: Story, *sessions: Mapping[str, Any], connected: int = 0, **metrics: float) -> None:
    told: dict[str, Any] = {f"wasmbed_gateway_messages_total{{type={name}}}": value for name, value in metrics.items()}
    told["wasmbed_gateway_sessions{state=connected}"] = connected
    since = story.history.recorded
    story.note("gateway observed", gateway="gateway-1", since=since, sessions=list(sessions), metrics=told)


SESSION = {"address": "127.0.0.1:10001", "device": "pump-1", "state": "connected"}
METRICS = {"EnrollmentRequest": 1, "EnrollmentAcknowledgment": 1, "Heartbeat": 1}


def publishes(story: Story) -> None:
    story.device(
        "ApplicationStatus",
        "app",
        applicationId="app",
        state="running",
        messageId=21,
        publications=[{"topic": "t", "payload": b"1".hex()}],
    )


def writes_output(story: Story) -> None:
    story.writes_entry(output=[{"topic": "t", "payload": "1", "encoding": "text"}])


def deploys_again(story: Story) -> None:
    story.stops()
    story.is_asked_to_deploy()
    story.deploys(number=13)
