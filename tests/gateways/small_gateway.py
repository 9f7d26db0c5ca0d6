"""A small gateway for Wasmbed devices: it enrolls them, answers their heartbeats, and records that they have left."""

import json
import socketserver
import ssl
import time
from base64 import b64decode, b64encode
from contextlib import suppress
from datetime import UTC, datetime
from os import environ as env
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4  # noqa: TID251, a program of its own

import cbor2

NAME, INTERVAL, BEAT = env["NAME"], float(env["HEARTBEAT"]), float(env["BEAT"])
CLUSTER = ssl.create_default_context(cafile=env["API_CA"])
DEVICES = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=env["CA"])
DEVICES.load_cert_chain(env["CERTIFICATE"], env["KEY"])
DEVICES.verify_mode = ssl.CERT_REQUIRED
LEFT = {"phase": "Disconnected", "deviceStatus": "Stopped", "health": "unknown", "error": "Connection lost"}
LEFT |= {"connectedSince": None, "lastHeartbeat": None}
links: dict[str, "Link"] = {}


def ask(method: str, path: str, body: Any = None) -> Any:
    """The cluster's answer, still open: an object, or the events of a watch, one a line."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Authorization": f"Bearer {env['TOKEN']}", "Content-Type": kind}
    request = Request(env["API"] + path, json.dumps(body).encode() if body else None, headers, method=method)
    return urlopen(request, context=CLUSTER, timeout=10)


def create(kind: str, name: str, **spec: Any) -> None:
    """Create a resource, unless it exists."""
    body = {"apiVersion": "wasmbed.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    with suppress(HTTPError):
        ask("POST", f"{kind.lower()}s", body).close()


def record(path: str, **status: Any) -> None:
    """Merge values into a resource's status."""
    with suppress(OSError):  # the next heartbeat, or beat, records it again
        ask("PATCH", f"{path}/status", {"status": status}).close()


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")  # noqa: TID251


class Link(socketserver.BaseRequestHandler):
    """The link of a device, in a thread of its own; an error ends it."""

    name, admitted, connected = "", False, False

    def handle(self) -> None:
        self.request.settimeout(10)
        with DEVICES.wrap_socket(self.request, server_side=True) as self.link, self.link.makefile("rb") as stream:
            self.certificate = self.link.getpeercert(binary_form=True)
            self.name = dict(part[0] for part in self.link.getpeercert()["subject"])["commonName"]
            with suppress(OSError):  # a link that is lost, or silent
                while length := stream.read(4):
                    self.link.settimeout(3 * INTERVAL)
                    _, self.number, message = cbor2.loads(stream.read(min(int.from_bytes(length), 1 << 20)))
                    self.answer(*message)

    def finish(self) -> None:
        if links.get(self.name) is self:  # otherwise a later link speaks for the device
            record(f"devices/{self.name}", **LEFT)

    def send(self, tag: int, *fields: Any) -> None:
        item = cbor2.dumps([1, self.number, [tag, dict(enumerate(fields))]])
        self.link.sendall(len(item).to_bytes(4) + item)

    def answer(self, tag: int, fields: dict[int, Any]) -> None:
        if tag == 1 and fields[4] in self.certificate:
            spec = {"deviceType": fields[0], "mcuType": fields[1], "architecture": fields[2], "capabilities": fields[3]}
            create("Device", self.name, **spec, firmwareVersion=fields[5], publicKey=b64encode(fields[4]).decode())
        if tag <= 1 and not self.admitted:
            with suppress(HTTPError), ask("GET", f"devices/{self.name}") as found:
                self.admit(json.load(found), fields[0] if tag == 0 else None)
        if tag <= 1 and not self.admitted:
            self.send(2, "ENROLLMENT_FAILED", "unknown id or another key: enroll again")
        elif tag <= 1:
            self.enroll() if tag == 1 else self.beat(fields)

    def admit(self, device: dict[str, Any], claimed: str | None) -> None:
        """Let this link speak for the device if it has the device's key, and its id if it claims one."""
        status = device.get("status", {})
        self.device_id = status.get("deviceId") or str(uuid4())
        self.admitted = b64decode(device["spec"]["publicKey"]) in self.certificate and claimed in (None, self.device_id)
        if self.admitted:
            links[self.name] = self
        if self.admitted and status.get("phase") in ("Enrolled", "Connected"):  # its last session has no recorded end
            record(f"devices/{self.name}", **LEFT)

    def enroll(self) -> None:
        record(f"devices/{self.name}", phase="Enrolling", deviceId=self.device_id, gateway=NAME, error=None)
        with ask("GET", f"devices?watch=true&fieldSelector=metadata.name={self.name}") as events:
            next(event for event in map(json.loads, events) if event["object"]["status"]["phase"] == "Enrolled")
        self.send(1, self.device_id, NAME, env["ADVERTISE"], round(1000 * INTERVAL))

    def beat(self, fields: dict[int, Any]) -> None:
        self.send(0, time.time_ns() // 1_000_000)
        status = {"deviceStatus": fields[2].capitalize(), "deviceMetrics": fields[3], "wasmRuntime": fields[4]}
        status |= {"health": "healthy" if fields[2] == "running" else "degraded", "lastHeartbeat": now()}
        first = {"phase": "Connected", "gateway": NAME, "connectedSince": now(), "error": None}
        record(f"devices/{self.name}", **status, **({} if self.connected else first))
        self.connected = True


create("Gateway", NAME, endpoint=env["ADVERTISE"])
socketserver.TCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer((env["HOST"], int(env["PORT"])), Link)
server.service_actions = lambda: record(
    f"gateways/{NAME}", phase="Online", lastSeen=now(), lastSeenIntervalMilliseconds=round(1000 * BEAT)
)
server.serve_forever(BEAT)
