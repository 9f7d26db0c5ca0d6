"""Certificates that OpenSSL accepts and the platform cannot read: device, log, and history get the reason."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.protocol.messages import EnrollmentResponse, Error
from tests.der import (
    ALTERNATIVE_NAME,
    BASIC_CONSTRAINTS,
    END_ENTITY,
    USUAL,
    certificate,
    element,
    extension,
    name,
    public_key,
    sequence,
)
from tests.gateway.world import World

UNREADABLE = {
    "critical FALSE, written out": {
        "extensions": [extension(BASIC_CONSTRAINTS, END_ENTITY, bytes.fromhex("010100")), *USUAL[1:]]
    },
    "a dNSName of ISO 8859-1": {
        "extensions": [*USUAL, extension(ALTERNATIVE_NAME, sequence(element(0x82, b"b\xf6ard")))]
    },
    "version 2 with extensions": {"version": bytes.fromhex("a003020101")},
    "month 13": {"not_after": element(0x17, b"491331235959Z")},
    "a CN of ISO 8859-1": {"subject": name(b"b\xf6ard", 0x14)},
    "a CN of bits": {"subject": name(b"\0a", 0x03)},
}


def make_identity(world: World, **changes: Any) -> Identity:
    key = generate_key()
    return Identity(key, certificate(world.devices._key, name(b"devices"), public_key(key), **changes))


@pytest.mark.parametrize("case", UNREADABLE)
async def test_a_certificate_that_cannot_be_read_is_answered_with_the_reason(
    world: World, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    device = await world.device(identity=make_identity(world, **UNREADABLE[case]))
    error = await device.refused(device.request())
    assert (error.code, error.action) == ("CERTIFICATE_INVALID", "RENEW_CERTIFICATE")
    assert error.message.startswith("Certificate validation failed: not a certificate that can be read: ")
    await device.closed()
    assert len(await world.until_recorded("TlsConnected")) == 1
    (recorded,) = [event for event in world.named("Error") if event[0] == "Gateway"]
    assert recorded[3]["message"] == error.message
    await world.connected("dev-2")
    await world.gateway.kill()
    (line,) = caplog.messages
    assert line.startswith("device 127.0.0.1:")
    assert "CERTIFICATE_INVALID: Certificate validation failed: not a certificate" in line


async def test_a_certificate_without_basic_constraints_is_a_device_certificate(world: World) -> None:
    """RFC 5280, section 4.2.1.9, requires the extension only for authorities."""

    device = await world.device(identity=make_identity(world, extensions=USUAL[1:]))
    assert isinstance(await device.enroll(), EnrollmentResponse)
    assert world.find_device("board-1") is not None
    assert not [event for event in world.events if isinstance(event[3], Error)]
