"""The smallest gateway for Wasmbed devices: it enrolls them, answers their heartbeats, and records that they have left.

A program of its own: it needs the standard library and ``cbor2``, and reads its configuration from the environment.
"""

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
from uuid import uuid4

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
    kind = {"POST": "application/json", "PATCH": "application/merge-patch+json"}.get(method, "")
    headers = {"Authorization": f"Bearer {env['TOKEN']}", "Content-Type": kind}
    request = Request(env["API"] + path, json.dumps(body).encode() if body else None, headers, method=method)
    return urlopen(request, context=CLUSTER, timeout=10)


def create(kind: str, name: str, **spec: Any) -> None:
    """Create a resource, unless it exists."""
    try:
        body = {"apiVersion": "wasmbed.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        ask("POST", f"{kind.lower()}s", body).close()
    except HTTPError as error:
        if error.code != 409:
            raise


def record(path: str, **status: Any) -> None:
    """Merge values into a resource's status."""
    ask("PATCH", f"{path}/status", {"status": status}).close()


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Link(socketserver.BaseRequestHandler):
    """The link of a device, in a thread of its own; an error ends it."""

    admitted = connected = False

    def handle(self) -> None:
        self.request.settimeout(10)
        with DEVICES.wrap_socket(self.request, server_side=True) as link, link.makefile("rb") as stream:
            self.certificate = link.getpeercert(binary_form=True)
            self.name = dict(part[0] for part in link.getpeercert()["subject"])["commonName"]
            try:
                while length := stream.read(4):
                    link.settimeout(3 * INTERVAL)
                    _, number, message = cbor2.loads(stream.read(min(int.from_bytes(length), 1 << 20)))
                    if answer := self.answer(*message):
                        item = cbor2.dumps([1, number, [answer[0], dict(enumerate(answer[1:]))]])
                        link.sendall(len(item).to_bytes(4) + item)
            finally:
                if links.get(self.name) is self:  # otherwise a later link speaks for the device
                    record(f"devices/{self.name}", **LEFT)

    def answer(self, tag: int, fields: dict[int, Any]) -> tuple[Any, ...] | None:
        """The tag and the fields of what the device gets for a message, if it gets something."""
        if tag == 1 and fields[4] in self.certificate:
            spec = {"deviceType": fields[0], "mcuType": fields[1], "architecture": fields[2], "capabilities": fields[3]}
            create("Device", self.name, **spec, firmwareVersion=fields[5], publicKey=b64encode(fields[4]).decode())
        if tag <= 1 and not self.admitted:
            with suppress(HTTPError), ask("GET", f"devices/{self.name}") as found:
                self.admit(json.load(found), fields[0] if tag == 0 else None)
            if not self.admitted:
                return 2, "ENROLLMENT_FAILED", "unknown id or another key: enroll again"
        return self.enroll() if tag == 1 else self.beat(fields) if tag == 0 else None

    def admit(self, device: dict[str, Any], claimed: str | None) -> None:
        """Let this link speak for the device if it has the device's key, and its id if it claims one."""
        status = device.get("status", {})
        self.device_id = status.get("deviceId") or str(uuid4())
        self.admitted = b64decode(device["spec"]["publicKey"]) in self.certificate and claimed in (None, self.device_id)
        if self.admitted:
            links[self.name] = self
            if status.get("phase") in ("Enrolled", "Connected"):  # nobody has recorded the end of its last session
                record(f"devices/{self.name}", **LEFT)

    def enroll(self) -> tuple[Any, ...]:
        record(f"devices/{self.name}", phase="Enrolling", deviceId=self.device_id, gateway=NAME, error=None)
        with ask("GET", f"devices?watch=true&fieldSelector=metadata.name={self.name}") as events:
            while json.loads(events.readline())["object"]["status"]["phase"] != "Enrolled":
                pass
        return 1, self.device_id, NAME, env["ADVERTISE"], round(1000 * INTERVAL)

    def beat(self, fields: dict[int, Any]) -> tuple[Any, ...]:
        status = {"deviceStatus": fields[2].capitalize(), "deviceMetrics": fields[3], "wasmRuntime": fields[4]}
        status |= {"health": "healthy" if fields[2] == "running" else "degraded", "lastHeartbeat": now()}
        if not self.connected:
            status |= {"phase": "Connected", "gateway": NAME, "connectedSince": now(), "error": None}
        record(f"devices/{self.name}", **status)
        self.connected = True
        return 0, time.time_ns() // 1_000_000


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def service_actions(self) -> None:
        with suppress(OSError):  # the next beat tries again
            record(f"gateways/{NAME}", phase="Online", lastSeen=now(), lastSeenIntervalMilliseconds=round(1000 * BEAT))


create("Gateway", NAME, endpoint=env["ADVERTISE"])
Server((env["HOST"], int(env["PORT"])), Link).serve_forever(BEAT)
