"""Signing requests as an authority reads them: the requested name, the key, and proof of its possession."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.keys import PublicKey, public_key_der, require_supported
from harness.wasmbed.pki.names import common_name, require_label

__all__ = ["SigningRequest", "read_signing_request"]


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A device's request for a certificate, with a checked signature. Other requested attributes are ignored."""

    name: str
    public_key: PublicKey

    @property
    def public_key_der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        return public_key_der(self.public_key)


def read_signing_request(der: bytes) -> SigningRequest:
    """Read a certification request (RFC 2986).

    Raises :class:`CertificateInvalid` if it is malformed, not signed with the key it names, or for a name or a key
    that no device can have.
    """
    try:
        request = x509.load_der_x509_csr(der)
        public_key = require_supported(request.public_key())
        signed = request.is_signature_valid
        name = require_label(common_name(request.subject))
    except MALFORMED as error:
        raise CertificateInvalid("not a signing request") from error
    if not signed:
        raise CertificateInvalid("a signing request that is not signed with its own key")
    return SigningRequest(name, public_key)
