"""Writes the messages of a device's link to a tap."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from harness.core.history import Tap
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.protocol.describe import describe
from harness.wasmbed.protocol.link import Direction
from harness.wasmbed.protocol.messages import EnrollmentRequest, Envelope

__all__ = ["LinkRecorder"]

DEVICE, GATEWAY = "Device", "Gateway"


class LinkRecorder:
    """Records one link from the handshake to the end.

    The device's name comes from the certificate or the signing request. The handshake is recorded once it is known.
    """

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._name = ""
        self._connected: dict[str, Any] | None = None

    def opened(self, certificate: bytes | None, version: str | None) -> None:
        """Record that the handshake is complete."""
        self._name, described = _describe_certificate(certificate)
        self._connected = {"certificate": described, "version": version}
        if certificate is not None:
            self._record_connected()

    def __call__(self, direction: Direction, envelope: Envelope) -> None:
        """Record a message that was sent or received."""
        message = envelope.message
        if isinstance(message, EnrollmentRequest) and not self._name and message.csr is not None:
            self._name = _requested_name(message.csr)
        self._record_connected()
        source, target = (GATEWAY, DEVICE) if direction is Direction.SENT else (DEVICE, GATEWAY)
        data = describe(message)
        data["messageId"] = envelope.message_id
        data["device"] = self._name
        correlation = getattr(message, "application_id", None) or self._name
        self._tap(source, target, type(message).__name__, data, correlation)

    def closed(self, by_device: bool, reason: str) -> None:
        """Record that the link has ended."""
        self._record_connected()
        source, target = (DEVICE, GATEWAY) if by_device else (GATEWAY, DEVICE)
        self._tap(source, target, "ConnectionClosed", {"reason": reason, "device": self._name}, self._name)

    def _record_connected(self) -> None:
        if self._connected is not None:
            data, self._connected = {**self._connected, "device": self._name}, None
            self._tap(DEVICE, GATEWAY, "TlsConnected", data, self._name)


def _describe_certificate(der: bytes | None) -> tuple[str, dict[str, str] | None]:
    """Return the device's name and a description. Not every certificate that OpenSSL accepts can be read."""
    if der is None:
        return "", None
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)
        return str(names[0].value) if names else "", {
            "subject": certificate.subject.rfc4514_string(),
            "serial": str(certificate.serial_number),
            "issuer": certificate.issuer.rfc4514_string(),
        }
    except MALFORMED as error:
        return "", {"unreadable": f"{error!s:.200}"}


def _requested_name(csr: bytes) -> str:
    try:
        return read_signing_request(csr).name
    except CertificateInvalid:
        return ""
