"""Descriptions of messages: every field in camelCase, fit for JSON."""

from __future__ import annotations

import hashlib
import json

import pytest

from harness.wasmbed.protocol import messages as m
from harness.wasmbed.protocol.describe import describe


@pytest.mark.parametrize(
    ("message", "described"),
    [
        (m.DeviceInfoRequest(), {}),
        (m.ApplicationStatusRequest(), {}),
        (m.StopResult("a", False, "not running"), {"applicationId": "a", "ok": False, "error": "not running"}),
        (
            m.Heartbeat("d", 1, "running", {"uptime_ms": 1}, "ready", {"a": m.ApplicationState.RUNNING}),
            {
                "deviceId": "d",
                "deviceTime": 1,
                "status": "running",
                "metrics": {"uptime_ms": 1},
                "runtimeStatus": "ready",
                "applications": {"a": "running"},
            },
        ),
        (m.ModuleChunk("a", 0, bytes(64)), {"applicationId": "a", "index": 0, "data": "00" * 64}),
        (
            m.ModuleChunk("a", 0, bytes(65)),
            {"applicationId": "a", "index": 0, "data": {"size": 65, "sha256": hashlib.sha256(bytes(65)).hexdigest()}},
        ),
        (
            m.Deploy("a", "A", 1, b"\x01", 2, m.Limits(3, 4, 5), "run", ("x",), {"K": "v"}),
            {
                "applicationId": "a",
                "name": "A",
                "size": 1,
                "sha256": "01",
                "chunkSize": 2,
                "limits": {"memory": 3, "fuel": 4, "wallTime": 5},
                "entry": "run",
                "arguments": ["x"],
                "environment": {"K": "v"},
            },
        ),
        (
            m.ApplicationStatus("a", m.ApplicationState.RUNNING, publications=[m.Publication("t", b"\xff")]),
            {
                "applicationId": "a",
                "state": "running",
                "metrics": {},
                "publications": [{"topic": "t", "payload": "ff"}],
            },
        ),
        (m.Error(m.ErrorCode.PROTOCOL_ERROR, "x", 5), {"code": "PROTOCOL_ERROR", "message": "x", "retryAfter": 5}),
    ],
)
def test_a_message_is_described(message: m.Message, described: dict[str, object]) -> None:
    assert describe(message) == described
    assert json.loads(json.dumps(describe(message))) == described
