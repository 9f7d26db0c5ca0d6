"""A party's identity: a private key and the certificate for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.core.errors import UsageError
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.keys import (
    PrivateKey,
    load_private_key,
    private_key_der,
    public_key_der,
    read_file,
    require_supported,
    signature_hash,
    write_file,
)
from harness.wasmbed.pki.names import common_name, subject

__all__ = [
    "AUTHORITY_FILE",
    "CERTIFICATE_FILE",
    "KEY_FILE",
    "Identity",
    "certified_key",
    "create_signing_request",
    "load_certificate",
    "load_identity",
]

AUTHORITY_FILE = "ca-cert.der"
"""The certificate of the authority that signs the peers of the identity's holder."""
CERTIFICATE_FILE = "device-cert.der"
KEY_FILE = "device-key.der"


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and its certificate, DER."""

    private_key: PrivateKey
    certificate: bytes

    @property
    def name(self) -> str:
        """The certificate's common name."""
        return common_name(x509.load_der_x509_certificate(self.certificate).subject)

    @property
    def private_key_der(self) -> bytes:
        """PKCS #8."""
        return private_key_der(self.private_key)

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        return public_key_der(self.private_key.public_key())

    def save(self, folder: Path, authority: bytes) -> None:
        """Write a device's three files; ``authority`` is the certificate, DER, of the authority that it trusts."""
        write_file(folder / AUTHORITY_FILE, authority)
        write_file(folder / CERTIFICATE_FILE, self.certificate)
        write_file(folder / KEY_FILE, self.private_key_der, secret=True)

    @classmethod
    def load(cls, folder: Path) -> Identity:
        """Read what :meth:`save` wrote. Raises :class:`UsageError` that names the unusable file.

        The authority's certificate is beside it: ``load_certificate(folder / AUTHORITY_FILE)``.
        """
        return load_identity(folder / CERTIFICATE_FILE, folder / KEY_FILE)


def load_identity(certificate: Path, key: Path) -> Identity:
    """Read an identity from a certificate and its PKCS #8 key, DER. Raises :class:`UsageError` that names the file."""
    private_key = load_private_key(read_file(key), str(key))
    der = load_certificate(certificate)
    if x509.load_der_x509_certificate(der).public_key() != private_key.public_key():
        raise UsageError(
            f"the certificate is not for the key in {key.name}",
            where=str(certificate),
            do="provide a private key and the certificate that was issued for it",
        )
    return Identity(private_key, der)


def load_certificate(path: Path) -> bytes:
    """Read a certificate, DER, from a file. Raises :class:`UsageError` if the content is something else."""
    der = read_file(path)
    try:
        x509.load_der_x509_certificate(der).public_key()
    except MALFORMED as error:
        raise UsageError(
            "not a certificate in DER", where=str(path), do="provide an X.509 certificate in DER, not PEM"
        ) from error
    return der


def certified_key(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo in a certificate, DER. Raises :class:`CertificateInvalid`."""
    try:
        return public_key_der(require_supported(x509.load_der_x509_certificate(certificate).public_key()))
    except MALFORMED as error:
        raise CertificateInvalid(f"not a certificate that can be read: {error!s:.200}") from error


def create_signing_request(private_key: PrivateKey, name: str) -> bytes:
    """Return a certification request (RFC 2986), DER, for ``name``; its signature proves possession of the key."""
    request = x509.CertificateSigningRequestBuilder(subject(name)).sign(private_key, signature_hash(private_key))
    return request.public_bytes(serialization.Encoding.DER)
