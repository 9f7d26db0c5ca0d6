"""Examples of the invariants about devices: their identity, their times, and their status. See :mod:`.histories`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from harness.invariants import Party
from tests.invariants.story import (
    ID,
    OTHER_ID,
    OTHER_KEY,
    START,
    Example,
    all,
    beats_often,
    condition,
    enrolled,
    enrolls_at,
    example,
    moment,
    pair,
    resumes_elsewhere,
    revoke,
)

DEVICES: Mapping[str, Example] = {
    "authenticated devices": example(
        Party.GATEWAY,
        lambda s: s.writes("Gateway", "POST Device", "pump-1", 201),
        lambda s: s.writes("User", "POST Device", "pump-1", 201),
    ),
    "unique device ids": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.state("Device", "pump-2", "added", status={"phase": "Pending", "deviceId": ID})),
        all(
            enrolled, lambda s: s.state("Device", "pump-2", "added", status={"phase": "Pending", "deviceId": OTHER_ID})
        ),
    ),
    "valid certificates": example(
        Party.GATEWAY,
        all(lambda s: s.gateway_up(), lambda s: s.connects(notAfter=moment(START - 60)), lambda s: s.beats()),
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(notAfter=moment(START - 60)),
            lambda s: s.beats(answered=False),
            lambda s: s.gateway("Error", messageId=2, code="CERTIFICATE_INVALID"),
        ),
    ),
    "one key a device": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2, publicKey=b64encode(OTHER_KEY).decode()),
            lambda s: s.beats(3, link=2),
        ),
        all(enrolled, lambda s: s.closes(), lambda s: s.connects(link=2, serial="2"), lambda s: s.beats(3, link=2)),
    ),
    "the device's own id": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, deviceId=OTHER_ID),
        ),
        all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2, deviceId=OTHER_ID, answered=False),
            lambda s: s.gateway("Error", link=2, messageId=3, code="ENROLLMENT_FAILED"),
        ),
    ),
    "fresh nonces": example(
        Party.BOARD,
        all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.connects(link=2),
            lambda s: s.asks(link=2, nonce=b"pump-11".hex()),
        ),
        all(enrolled, lambda s: s.connects("pump-2", 2), lambda s: s.asks("pump-2", 2, nonce=b"pump-11".hex())),
    ),
    "pairing tokens": example(
        Party.GATEWAY,
        all(lambda s: s.note("pairing token issued", "pump-1", token="(secret 5)"), lambda s: pair(s, "(secret 6)")),
        all(lambda s: s.note("pairing token issued", "pump-1", token="(secret 5)"), lambda s: pair(s, "(secret 5)")),
    ),
    "revocation lists grow": example(
        Party.GATEWAY,
        all(
            lambda s: s.note("certificate revoked", serial="1"),
            lambda s: s.note("revocation list published", number=2, serials=["1"]),
            lambda s: s.note("certificate revoked", serial="2"),
            lambda s: s.note("revocation list published", number=3, serials=["2"]),
        ),
        all(
            lambda s: s.note("certificate revoked", serial="1"),
            lambda s: s.note("revocation list published", number=2, serials=["1"]),
            lambda s: s.note("certificate revoked", serial="2"),
            lambda s: s.note("revocation list published", number=3, serials=["2", "1"]),
        ),
    ),
    "revoked devices": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.closes(), revoke, lambda s: s.connects(link=2), lambda s: s.beats(3, link=2)),
        all(
            enrolled,
            revoke,
            lambda s: s.beats(3),
            lambda s: s.gateway("Error", messageId=4, code="CERTIFICATE_INVALID"),
            lambda s: s.closes("Gateway"),
        ),
    ),
    "the gateway's API token": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.is_asked_to_deploy(token="(secret 9)")),
        all(enrolled, lambda s: s.is_asked_to_deploy()),
    ),
    "a gateway to trust": example(
        Party.BOARD,
        all(lambda s: s.gateway_up(certificates=[{"notAfter": moment(START - 60)}]), lambda s: s.connects()),
        all(
            lambda s: s.gateway_up(certificates=[{"notAfter": moment(START - 60)}, {"notAfter": moment(START + 60)}]),
            lambda s: s.connects(),
        ),
    ),
    "gateway time": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(START)),
        ),
        all(
            enrolled,
            lambda s: s.beats(3, answered=False),
            lambda s: s.gateway("HeartbeatAcknowledgment", messageId=3, gatewayTime=int(START * 1000) + 60_000),
        ),
    ),
    "device time": example(
        Party.BOARD,
        all(enrolled, lambda s: s.beats(3, deviceTime=5000)),
        all(enrolled, lambda s: s.later(1), lambda s: s.beats(3)),
    ),
    "heartbeat interval": example(
        Party.GATEWAY,
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.responds(heartbeatInterval=1),
        ),
        enrolled,
    ),
    "retry after": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=1)),
        all(enrolled, lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=500)),
    ),
    "devices wait to retry": example(
        Party.BOARD,
        all(
            enrolled,
            lambda s: s.gateway("Error", messageId=3, code="GATEWAY_DRAINING", retryAfter=5000),
            lambda s: s.closes("Gateway"),
            lambda s: s.later(1),
            lambda s: s.connects(link=2),
        ),
        all(
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
        all(
            lambda s: s.note("stack started", boards="virtual"),
            enrolled,
            lambda s: s.later(3.1),
            lambda s: s.closes("Gateway", reason="3 heartbeats missed"),
        ),
        all(
            lambda s: s.note("stack started", boards="virtual"),
            enrolled,
            lambda s: s.fault("pause", "pump-1"),
            lambda s: s.later(3.1),
            lambda s: s.closes("Gateway", reason="3 heartbeats missed"),
        ),
    ),
    "live links are connected": example(
        Party.BOARD,
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.responds(),
            lambda s: s.later(6),
        ),
        all(
            lambda s: s.gateway_up(),
            lambda s: s.connects(),
            lambda s: s.asks(),
            lambda s: s.responds(),
            lambda s: s.closes(),
            lambda s: s.later(6),
        ),
    ),
    "legal phases": example(
        Party.DEVICE_CONTROLLER,
        all(enrolled, lambda s: s.writes_status("DeviceController", "Device", "pump-1", phase="Pending")),
        all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected()),
    ),
    "disconnected devices": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected(health="healthy")),
        all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected()),
    ),
    "connected since": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.becomes_disconnected(),
            lambda s: s.later(20),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2),
            lambda s: s.becomes_connected(connectedSince=moment(START)),
        ),
        all(
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
        all(
            enrolled,
            lambda s: s.beats(3, status="degraded"),
            lambda s: s.writes_status("Gateway", "Device", "pump-1", **s.vital_signs(deviceStatus="Degraded")),
        ),
        all(
            enrolled,
            beats_often,
            lambda s: s.writes_status(
                "Gateway", "Device", "pump-1", **s.vital_signs(deviceStatus="Degraded", health="degraded")
            ),
            lambda s: s.writes_status("Gateway", "Device", "pump-1", **s.vital_signs()),
        ),
    ),
    "live devices stay connected": example(
        Party.GATEWAY,
        all(enrolled, resumes_elsewhere, lambda s: s.becomes_disconnected()),
        all(enrolled, resumes_elsewhere, lambda s: s.closes(), lambda s: s.becomes_disconnected()),
    ),
    "ended links are written": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.closes(), lambda s: s.later(20)),
        all(enrolled, lambda s: s.closes(), lambda s: s.becomes_disconnected(), lambda s: s.later(20)),
    ),
    "spec follows the request": example(
        Party.GATEWAY,
        all(
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
        all(
            enrolled,
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **condition("True", START)),
            lambda s: s.later(5),
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **condition("True", START + 5)),
        ),
        all(
            enrolled,
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **condition("True", START)),
            lambda s: s.later(5),
            lambda s: s.writes_status("DeviceController", "Device", "pump-1", **condition("False", START + 5)),
        ),
    ),
    "connected is written once": example(
        Party.GATEWAY,
        all(enrolled, lambda s: s.becomes_connected()),
        all(
            enrolled,
            lambda s: s.closes(),
            lambda s: s.becomes_disconnected(),
            lambda s: s.connects(link=2),
            lambda s: s.beats(3, link=2),
            lambda s: s.becomes_connected(),
        ),
    ),
    "enrollments are counted": example(
        Party.DEVICE_CONTROLLER,
        all(enrolled, lambda s: s.closes(), lambda s: s.enrolls_again(1), lambda s: s.enrolls_again(1)),
        all(enrolled, lambda s: s.closes(), lambda s: s.enrolls_again(1), lambda s: s.enrolls_again(2)),
    ),
    "times are of the write": example(
        Party.DEVICE_CONTROLLER,
        all(enrolled, lambda s: enrolls_at(s, START), lambda s: enrolls_at(s, START)),
        all(enrolled, lambda s: enrolls_at(s, START), lambda s: enrolls_at(s, START + 2)),
    ),
}
