"""TLS 1.3 records (RFC 8446, section 5): found in a stream, and protected under a traffic secret.

OpenSSL makes the relay's handshakes. It cannot send an alert of the caller's choice, and it sends session tickets that
no gateway asked for. The relay therefore protects the records after the handshakes itself, so that each alert passes
with its code, and each record stays one record.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

__all__ = [
    "ALERT",
    "APPLICATION_DATA",
    "CHANGE_CIPHER_SPEC",
    "HANDSHAKE",
    "BadRecord",
    "Protection",
    "RecordReader",
    "alert_name",
    "cipher_suite",
]

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
"""Content types."""
HEADER = 5
LARGEST = (1 << 14) + 256
"""Bytes of a record, without its header (section 5.2)."""
_SERVER_HELLO = 2
_BEFORE_SESSION_ID = HEADER + 4 + 2 + 32

TAG, NONCE = 16, 12
"""Bytes, the same in each cipher suite."""


class _Suite(NamedTuple):
    cipher: type[AESGCM] | type[ChaCha20Poly1305]
    algorithm: hashes.HashAlgorithm
    key_size: int


_SUITES = {
    0x1301: _Suite(AESGCM, hashes.SHA256(), 16),
    0x1302: _Suite(AESGCM, hashes.SHA384(), 32),
    0x1303: _Suite(ChaCha20Poly1305, hashes.SHA256(), 32),
}
"""By number (appendix B.4)."""

_ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
    46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
    51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
    112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip


class BadRecord(Exception):
    """A record that its secret does not open."""


def alert_name(code: int) -> str:
    """The name of an alert (section 6)."""
    return _ALERTS.get(code, f"alert {code}")


def cipher_suite(record: bytes) -> int | None:
    """The cipher suite in a record with a ServerHello; None in any other record."""
    if record[:1] != bytes([HANDSHAKE]) or record[HEADER : HEADER + 1] != bytes([_SERVER_HELLO]):
        return None
    at = _BEFORE_SESSION_ID + 1 + (record[_BEFORE_SESSION_ID] if len(record) > _BEFORE_SESSION_ID else 0)
    return int.from_bytes(record[at : at + 2], "big") if len(record) >= at + 2 else None


class RecordReader:
    """Splits a stream into records, whatever the sizes of its pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def __len__(self) -> int:
        """The number of bytes that are held."""
        return len(self._held)

    def push(self, data: bytes) -> None:
        """Append received bytes."""
        self._held += data

    def pop(self) -> bytes | None:
        """Take the next record with its header; None until it is complete.

        Where the stream holds none, because its length is above the limit, the result is all that is held.
        """
        if len(self._held) < HEADER:
            return None
        size = HEADER + int.from_bytes(self._held[3:HEADER], "big")
        if size > HEADER + LARGEST:
            return self.rest()
        if len(self._held) < size:
            return None
        record = bytes(self._held[:size])
        del self._held[:size]
        return record

    def rest(self) -> bytes:
        """Take all bytes that are held."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


class Protection:
    """Protects the records of one direction (sections 5.2, 5.3 and 7.3), from the first one under ``secret`` on."""

    __slots__ = ("_cipher", "_iv", "_number", "_secret", "_suite")

    def __init__(self, suite: int, secret: bytes) -> None:
        self._suite = _SUITES[suite]
        self._use(secret)

    def seal(self, content_type: int, content: bytes) -> bytes:
        """Return a record with its header."""
        header = bytes((APPLICATION_DATA, 3, 3)) + (len(content) + 1 + TAG).to_bytes(2, "big")
        return header + self._cipher.encrypt(self._next_nonce(), content + bytes((content_type,)), header)

    def open(self, record: bytes) -> tuple[int, bytes]:
        """Return the content type and the content of a record. Raises :class:`BadRecord`."""
        header, sealed = record[:HEADER], record[HEADER:]
        try:
            padded = self._cipher.decrypt(self._next_nonce(), sealed, header).rstrip(b"\0")
        except (InvalidTag, ValueError) as error:
            raise BadRecord from error
        if not padded:
            raise BadRecord
        return padded[-1], padded[:-1]

    def update(self) -> None:
        """Go on with the next secret, after a KeyUpdate (section 7.2)."""
        self._use(self._expand(b"traffic upd", self._suite.algorithm.digest_size))

    def _use(self, secret: bytes) -> None:
        self._secret, self._number = secret, 0
        self._cipher = self._suite.cipher(self._expand(b"key", self._suite.key_size))
        self._iv = int.from_bytes(self._expand(b"iv", NONCE), "big")

    def _next_nonce(self) -> bytes:
        nonce = (self._iv ^ self._number).to_bytes(NONCE, "big")
        self._number += 1
        return nonce

    def _expand(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label with an empty context (section 7.1)."""
        name = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0"
        return HKDFExpand(self._suite.algorithm, size, info).derive(self._secret)
