"""A DER writer for certificates that a library would not make: every part may be replaced by bytes."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from harness.wasmbed.pki.keys import PrivateKey

ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")
"""ecdsa-with-SHA256."""
BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, ALTERNATIVE_NAME = "551d13", "551d0f", "551d25", "551d11"
END_ENTITY = "3000"
SIGNATURES = "03020780"
CLIENTS = "300a06082b06010505070302"


def element(tag: int, *parts: bytes) -> bytes:
    """Tag, length and contents."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + size.to_bytes(width, "big") + content


def sequence(*parts: bytes) -> bytes:
    return element(0x30, *parts)


def name(value: bytes, tag: int = 0x0C) -> bytes:
    """A distinguished name of one common name, whose string has that ``tag``."""
    return sequence(element(0x31, sequence(bytes.fromhex("0603550403"), element(tag, value))))


def extension(oid: str, value: str | bytes, critical: bytes = b"") -> bytes:
    content = bytes.fromhex(value) if isinstance(value, str) else value
    return sequence(element(0x06, bytes.fromhex(oid)), critical, element(0x04, content))


USUAL = (
    extension(BASIC_CONSTRAINTS, END_ENTITY),
    extension(KEY_USAGE, SIGNATURES),
    extension(EXTENDED_KEY_USAGE, CLIENTS),
)


def certificate(
    authority: PrivateKey,
    issuer: bytes,
    key: bytes,
    *,
    version: bytes = bytes.fromhex("a003020102"),
    serial: bytes = bytes.fromhex("020109"),
    not_before: bytes = element(0x17, b"200101000000Z"),
    not_after: bytes = element(0x17, b"491231235959Z"),
    subject: bytes = name(b"board-1"),
    extensions: Iterable[bytes] | None = USUAL,
    algorithm: bytes = ALGORITHM,
) -> bytes:
    """A certificate for ``key`` (SubjectPublicKeyInfo), signed by the P-256 ``authority`` named ``issuer``."""
    assert isinstance(authority, ec.EllipticCurvePrivateKey)
    tail = b"" if extensions is None else element(0xA3, sequence(*extensions))
    signed = sequence(version, serial, algorithm, issuer, sequence(not_before, not_after), subject, key, tail)
    signature = authority.sign(signed, ec.ECDSA(hashes.SHA256()))
    return sequence(signed, ALGORITHM, element(0x03, b"\0", signature))


def public_key(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
