"""A history as a large fleet leaves it, made by hand: what the report is measured and looked at with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import orjson

HEARTBEAT = 30.0
GATEWAY, APPLICATION = "gateway-1", "blink"


def write_fleet(folder: Path, boards: int, events: int) -> Path:
    """A run with one test in ``folder``: ``boards`` enroll, run an application and beat until there are ``events``.

    In the middle the gateway is killed and every board comes back; one in a hundred crashes.
    """
    test = folder / "fleet"
    test.mkdir(parents=True)
    with (test / "history.jsonl").open("wb") as file:
        for n, event in zip(range(events), _fleet(boards), strict=False):
            file.write(orjson.dumps({"at": event[0], "n": n} | event[1]) + b"\n")
    result = {
        "test": f"scenarios/test_fleet.py::test_{boards}_boards_survive_a_killed_gateway",
        "title": f"{boards:,} boards come back after their gateway was killed.",
        "outcome": "passed",
        "blame": None,
        "message": "",
        "duration": 95.25,
        "rerun": f"pytest scenarios/test_fleet.py --fleet={boards} --seed=7",
        "seed": 7,
        "options": {"boards": "virtual", "cluster": "embedded", "fleet": boards, "seed": 7},
    }
    (test / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return folder


Timed = tuple[float, dict[str, Any]]


def _fleet(boards: int) -> Iterator[Timed]:
    """Without end, in the order of time."""
    names = [f"board-{number:04}" for number in range(boards)]
    last = 0.0
    for phase in _phases(names):
        for at, event in sorted((timed for story in phase for timed in story), key=lambda timed: timed[0]):
            last = max(last, at)
            yield last, event


def _phases(names: list[str]) -> Iterator[Iterable[Iterable[Timed]]]:
    """The events of a fleet, one phase after the other, and in each phase those of all boards."""
    at, many = 12.5, len(names)
    yield [_enrollment(at + index * 20.0 / many, name) for index, name in enumerate(names)]
    at += 21.0
    yield [_deployment(at + index * 8.0 / many, name) for index, name in enumerate(names)]
    at += 10.0
    for beat in count(1):
        if beat == 3:
            yield [[(at, _event("fault", "Harness", "Gateway", "kill gateway", {"gateway": GATEWAY}))]]
            yield [_loss(at + 0.5 + index * 2.0 / many, name) for index, name in enumerate(names)]
            yield [[(at + 4.0, _event("note", "Harness", "", "restart gateway", {"gateway": GATEWAY}))]]
            yield [_return(at + 5.0 + index * 6.0 / many, name) for index, name in enumerate(names)]
            at += 12.0
        yield [_heartbeat(at + index * 29.0 / many, name, beat, index) for index, name in enumerate(names)]
        at += HEARTBEAT


def _loss(at: float, name: str) -> Iterator[Timed]:
    yield at, _message("Device", "Gateway", "ConnectionClosed", name, reason="connection lost")
    yield at, _state("Device", name, {"phase": "Disconnected", "error": "Connection lost"})


def _return(at: float, name: str) -> Iterator[Timed]:
    yield at, _message("Device", "Gateway", "TlsConnected", name, certificate={"subject": f"CN={name}"})
    yield at, _state("Device", name, {"phase": "Connected", "error": None})


def _enrollment(at: float, name: str) -> Iterator[Timed]:
    identity = _hex(name, 32)
    yield at, _event("note", "Harness", "", "power on", {"board": name}, name)
    yield at + 0.001, _console(name, f"[     0.000] wasmbed 1.0.0 on virtual board {name}")
    yield at + 0.010, _message("Device", "Gateway", "TlsConnected", name, certificate={"subject": f"CN={name}"})
    yield (
        at + 0.012,
        _message(
            "Device",
            "Gateway",
            "EnrollmentRequest",
            name,
            publicKey=_hex(name + "key", 64),
            nonce=_hex(name + "nonce", 32),
        ),
    )
    yield at + 0.014, _request("Gateway", "POST Device", name, 201, {"phase": "Pending"})
    yield at + 0.014, _state("Device", name, {"phase": "Pending"}, "added")
    yield at + 0.016, _request("Gateway", "PATCH Device", name, 200, {"phase": "Enrolling", "deviceId": identity})
    yield at + 0.017, _state("Device", name, {"phase": "Enrolling", "deviceId": identity})
    yield at + 0.019, _request("DeviceController", "PATCH Device", name, 200, {"phase": "Enrolled"})
    yield at + 0.020, _state("Device", name, {"phase": "Enrolled", "enrollments": 1})
    yield (
        at + 0.022,
        _message("Gateway", "Device", "EnrollmentResponse", name, deviceId=identity, heartbeatInterval=30000),
    )
    yield at + 0.023, _message("Device", "Gateway", "EnrollmentAcknowledgment", name, deviceId=identity)
    yield at + 0.024, _state("Device", name, {"phase": "Connected", "health": "healthy", "wasmRuntime": "ready"})
    yield at + 0.025, _console(name, f"[     0.024] enrolled as {identity}")


def _deployment(at: float, name: str) -> Iterator[Timed]:
    about = {"device": name, "applicationId": APPLICATION}
    yield at, _event("message", "Gateway", "Device", "Deploy", about | {"size": 179, "chunkSize": 4096}, APPLICATION)
    yield at + 0.001, _event("message", "Gateway", "Device", "ModuleChunk", about | {"index": 0}, APPLICATION)
    yield at + 0.002, _event("message", "Device", "Gateway", "ChunkAcknowledgment", about | {"index": 0}, APPLICATION)
    yield at + 0.004, _event("message", "Device", "Gateway", "DeploymentResult", about | {"ok": True}, APPLICATION)
    yield (
        at + 0.005,
        _event("message", "Device", "Gateway", "ApplicationStatus", about | {"state": "running"}, APPLICATION),
    )
    yield at + 0.006, _console(name, f"[    20.100] {APPLICATION}: running")


def _heartbeat(at: float, name: str, beat: int, index: int) -> Iterator[Timed]:
    used = 65536 + (index * 37 + beat * 911) % 16384
    metrics = {"errors": 0, "uptime_ms": beat * 30000, "memory_used_bytes": used, "applications_running": 1}
    yield (
        at,
        _message(
            "Device",
            "Gateway",
            "Heartbeat",
            name,
            status="running",
            metrics=metrics,
            nonce=_hex(f"{name} {beat}", 32),
            messageId=beat,
        ),
    )
    yield (
        at + 0.001,
        _message("Gateway", "Device", "HeartbeatAcknowledgment", name, gatewayTime=int(at * 1000), messageId=beat),
    )
    yield at + 0.002, _request("Gateway", "PATCH Device", name, 200, {"deviceMetrics": metrics, "health": "healthy"})
    yield (
        at + 0.003,
        _event(
            "message",
            "Kubernetes",
            "DeviceController",
            "MODIFIED Device",
            {"namespace": "wasmbed", "name": name, "status": {"phase": "Connected", "deviceMetrics": metrics}},
            name,
        ),
    )
    yield at + 0.003, _state("Device", name, {"deviceMetrics": metrics})
    yield at + 0.004, _console(name, f"[{beat * 30:10.3f}] heartbeat {beat} acknowledged, {used} bytes in use")
    if (index * 7919 + beat * 104729) % 4999 == 5:
        yield at + 0.005, _console(name, "panicked at src/sensor.rs:41: index out of bounds")
        yield at + 0.005, _event("fault", "Device", "", "Crash", {"board": name, "reason": "panic"}, name)


def _hex(text: str, length: int) -> str:
    """As hard to compress as keys and identifiers are, and the same every time."""
    return sha256(text.encode()).hexdigest()[:length]


def _event(kind: str, source: str, target: str, name: str, data: dict[str, Any], about: str = "") -> dict[str, Any]:
    return {"kind": kind, "source": source, "target": target, "name": name, "data": data, "correlation": about}


def _message(source: str, target: str, name: str, device: str, **data: Any) -> dict[str, Any]:
    return _event("message", source, target, name, data | {"device": device}, device)


def _console(name: str, text: str) -> dict[str, Any]:
    return _event("console", "Device", "", "Console", {"text": text, "board": name}, name)


def _request(source: str, name: str, about: str, code: int, status: dict[str, Any]) -> dict[str, Any]:
    data = {"code": code, "namespace": "wasmbed", "name": about, "subresource": "status", "status": status}
    return _event("message", source, "Kubernetes", name, data, about)


def _state(kind: str, name: str, status: dict[str, Any], change: str = "modified") -> dict[str, Any]:
    return _event("state", "Kubernetes", "", kind, {"change": change, "name": name, "status": status}, name)
