"""The two kinds of keys that an identity may have, and the reading and writing of DER files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from harness.core.errors import UsageError, reason
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid

__all__ = [
    "Algorithm",
    "PrivateKey",
    "PublicKey",
    "algorithm_of",
    "generate_key",
    "load_private_key",
    "load_public_key",
    "private_key_der",
    "public_key_der",
    "read_file",
    "require_supported",
    "signature_hash",
    "write_file",
    "write_folder",
]

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class Algorithm(StrEnum):
    """The signature algorithm of an identity."""

    ED25519 = "ed25519"
    P256 = "p256"


def generate_key(algorithm: str = Algorithm.P256) -> PrivateKey:
    """Return a new key from the operating system's randomness. Raises :class:`ValueError` for an unknown algorithm."""
    if Algorithm(algorithm) is Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def algorithm_of(key: PrivateKey) -> Algorithm:
    """Return the algorithm of ``key``."""
    return Algorithm.ED25519 if isinstance(key, ed25519.Ed25519PrivateKey) else Algorithm.P256


def signature_hash(key: PrivateKey) -> hashes.SHA256 | None:
    """Return the hash for X.509 signatures with ``key``: None for Ed25519."""
    return None if algorithm_of(key) is Algorithm.ED25519 else hashes.SHA256()


def require_supported(key: object) -> PublicKey:
    """Return ``key`` if it is an Ed25519 or P-256 public key. Raises :class:`CertificateInvalid` otherwise."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise CertificateInvalid("a key that is neither Ed25519 nor P-256")


def public_key_der(key: PublicKey) -> bytes:
    """Return the SubjectPublicKeyInfo of ``key`` (RFC 5280, section 4.1.2.7)."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_public_key(der: bytes) -> PublicKey:
    """Read a public key from SubjectPublicKeyInfo. Raises :class:`CertificateInvalid`."""
    try:
        return require_supported(serialization.load_der_public_key(der))
    except MALFORMED as error:
        raise CertificateInvalid("not a public key") from error


def private_key_der(key: PrivateKey) -> bytes:
    """Return ``key`` as PKCS #8 (RFC 5958), not encrypted."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private_key(der: bytes, where: str = "private key") -> PrivateKey:
    """Read a private key from DER. Raises :class:`UsageError` that names ``where`` it came from."""
    do = "provide an Ed25519 or P-256 private key in DER (PKCS #8), not encrypted"
    try:
        key = serialization.load_der_private_key(der, password=None)
        if isinstance(key, PrivateKey):
            require_supported(key.public_key())
            return key
    except (*MALFORMED, CertificateInvalid) as error:
        raise UsageError("not a usable private key", where=where, do=do) from error
    raise UsageError("a private key of another kind", where=where, do=do)


def read_file(path: Path) -> bytes:
    """Return a file's content. Raises :class:`UsageError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do="name a readable file") from error


def write_file(path: Path, content: bytes, *, secret: bool = False) -> None:
    """Write a file whole or not at all. A ``secret`` one has mode 0600 from the start."""
    draft = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot be written: {reason(error)}", where=str(path), do="name a folder you may write to"
        ) from error


def write_folder(folder: Path, save: Callable[[Path], None]) -> None:
    """Write a folder that is not there yet whole or not at all: ``save`` writes its files."""
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    save(draft)
    try:
        draft.rename(folder)
    except OSError as error:
        what = f"cannot be written: {reason(error)}"
        raise UsageError(what, where=str(folder), do="name a folder you may write to") from error
