"""Writes the messages of a device's link to a tap, with the bytes of each frame."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness.core.history import Tap
from harness.core.network import Endpoint
from harness.wasmbed.pki.certificates import find_extension
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.protocol.describe import describe
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.link import Direction
from harness.wasmbed.protocol.messages import Deploy, EnrollmentRequest, Envelope, Message, ModuleChunk
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["FRAME_HEAD", "LinkRecorder"]

DEVICE, GATEWAY = "Device", "Gateway"
FRAME_HEAD = 1024
"""Bytes of a frame's payload that are recorded, from its beginning: all but the data of modules."""


class LinkRecorder:
    """Records one link from the handshake to the end.

    The device's name comes from the certificate or the signing request. The handshake is recorded once it is known.
    ``link`` names the link in the record: the gateway's name and a number. ``address`` is the device's as the
    gateway sees it; ``relayed`` is its own, where the link passes a relay.
    """

    def __init__(
        self, tap: Tap, link: str = "", address: Endpoint | None = None, relayed: Endpoint | None = None
    ) -> None:
        self._tap, self._link, self._address, self._relayed = tap, link, address, relayed
        self._name = ""
        self._connected: dict[str, Any] | None = None
        self._module: Any = None
        """The SHA-256 of the chunks so far of the module that is being sent, in order."""
        self._chunks = 0

    @property
    def device(self) -> str:
        """The device's name; empty while it is not known."""
        return self._name

    def opened(self, certificate: bytes | None, version: str | None) -> None:
        """Record that the handshake is complete."""
        self._name, described = _describe_certificate(certificate)
        self._connected = {"certificate": described, "version": version}
        if self._address is not None:
            self._connected["address"] = f"{self._address[0]}:{self._address[1]}"
        if self._relayed is not None:
            self._connected["relayed"] = f"{self._relayed[0]}:{self._relayed[1]}"
        if certificate is not None:
            self._record_connected()

    def __call__(self, direction: Direction, envelope: Envelope | ProtocolError, payload: bytes) -> None:
        """Record a message that was sent or received, or a frame that breaks the contract; without its payload if that
        is empty, because the frame was too long to be read."""
        frame = {"frame": b64encode(payload[:FRAME_HEAD]).decode(), "frameSize": len(payload)} if payload else {}
        source, target = (GATEWAY, DEVICE) if direction is Direction.SENT else (DEVICE, GATEWAY)
        if isinstance(envelope, ProtocolError):
            self._record_connected()
            data = {"reason": envelope.reason, "messageId": envelope.message_id, **frame, **self._ends()}
            self._tap(source, target, "UnreadableFrame", data, self._name)
            return
        message = envelope.message
        if isinstance(message, EnrollmentRequest) and not self._name and message.csr is not None:
            self._name = _requested_name(message.csr)
        self._record_connected()
        data = {**describe(message), **self._content(message), "messageId": envelope.message_id, **frame}
        data |= self._ends()
        correlation = getattr(message, "application_id", None) or self._name
        self._tap(source, target, type(message).__name__, data, correlation)

    def _content(self, message: Message) -> dict[str, str]:
        """The SHA-256 of a module as far as its chunks were sent: a judge compares the last with the announcement."""
        if isinstance(message, Deploy):
            self._module, self._chunks = hashlib.sha256(), 0
        if not isinstance(message, ModuleChunk) or self._module is None or message.index != self._chunks:
            return {}
        self._module.update(message.data)
        self._chunks += 1
        return {"sha256SoFar": self._module.hexdigest()}

    def unread(self) -> None:
        """Record that the device does not read, so that a relay cannot read what the gateway sends next."""
        self._tap(DEVICE, GATEWAY, "Unread", self._ends(), self._name)

    def closed(self, by_device: bool, reason: str) -> None:
        """Record that the link has ended."""
        self._record_connected()
        source, target = (DEVICE, GATEWAY) if by_device else (GATEWAY, DEVICE)
        self._tap(source, target, "ConnectionClosed", {"reason": reason, **self._ends()}, self._name)

    def _ends(self) -> dict[str, str]:
        """The device, and the link where it has a name."""
        return {"device": self._name, "link": self._link} if self._link else {"device": self._name}

    def _record_connected(self) -> None:
        if self._connected is not None:
            data, self._connected = {**self._connected, **self._ends()}, None
            self._tap(DEVICE, GATEWAY, "TlsConnected", data, self._name)


def _describe_certificate(der: bytes | None) -> tuple[str, dict[str, Any] | None]:
    """Return the device's name and a description. Not every certificate that OpenSSL accepts can be read."""
    if der is None:
        return "", None
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return str(names[0].value) if names else "", {
            "subject": certificate.subject.rfc4514_string(),
            "serial": str(certificate.serial_number),
            "issuer": certificate.issuer.rfc4514_string(),
            "publicKey": b64encode(key).decode(),
            "notBefore": format_timestamp(certificate.not_valid_before_utc.timestamp()),
            "notAfter": format_timestamp(certificate.not_valid_after_utc.timestamp()),
            "usages": _usages(certificate),
        }
    except MALFORMED as error:
        return "", {"unreadable": f"{error!s:.200}"}


def _usages(certificate: x509.Certificate) -> list[str]:
    """Return the certificate's key usages that matter for a device: ``digitalSignature``, ``clientAuth``, and ``ca``,
    which a device must not have."""
    usage, extended = find_extension(certificate, x509.KeyUsage), find_extension(certificate, x509.ExtendedKeyUsage)
    constraints = find_extension(certificate, x509.BasicConstraints)
    found = {
        "digitalSignature": usage is not None and usage.digital_signature,
        "clientAuth": extended is not None and x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH in extended,
        "ca": constraints is not None and constraints.ca,
    }
    return [name for name, applies in found.items() if applies]


def _requested_name(csr: bytes) -> str:
    try:
        return read_signing_request(csr).name
    except CertificateInvalid:
        return ""
