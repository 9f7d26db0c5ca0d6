"""The gateway's check of a peer's certificate, after TLS has proved that the peer holds its private key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.core.clock import Clock
from harness.wasmbed.pki.authority import read_crl
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.keys import public_key_der, require_supported
from harness.wasmbed.pki.names import common_name, require_label

__all__ = ["CertificateManager", "PeerCertificate", "find_extension"]

E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The content of a trusted certificate."""

    name: str
    """The device's name: the subject's common name."""
    serial: int
    issuer: str
    public_key: bytes
    """SubjectPublicKeyInfo, DER."""
    not_after: float
    """Seconds since the epoch."""


class CertificateManager:
    """Trusts device certificates of one authority while they are valid, not revoked, and for client authentication.

    Raises :class:`CertificateInvalid` if ``authority`` (DER) is not an authority's certificate.
    """

    def __init__(self, authority: bytes, clock: Clock) -> None:
        try:
            self._authority = x509.load_der_x509_certificate(authority)
            require_supported(self._authority.public_key())
        except MALFORMED as error:
            raise CertificateInvalid("not an authority's certificate") from error
        self.authority = authority
        """The authority's certificate, DER."""
        self._clock = clock
        self._crl_number = -1
        self._revoked: frozenset[int] = frozenset()

    def update_revocations(self, crl: bytes) -> None:
        """Replace the revocation list by ``crl``, DER.

        Raises :class:`CertificateInvalid`, and keeps the present list, if the new one is not the authority's, is older,
        or has the same number with other entries (RFC 5280, section 5.2.3). An expired list is still used, because
        revoked certificates stay revoked.
        """
        number, entries = read_crl(crl, self._authority)
        revoked = frozenset(entries)
        if number < self._crl_number:
            raise CertificateInvalid(f"revocation list {number} is older than {self._crl_number}, which is in use")
        if number == self._crl_number and revoked != self._revoked:
            raise CertificateInvalid(f"revocation list {number} is in use already, with other entries")
        self._crl_number, self._revoked = number, revoked

    def check(self, certificate: bytes) -> PeerCertificate:
        """Return the content of a peer's certificate, DER.

        Raises :class:`CertificateInvalid` with the reason, and no other exception, whatever OpenSSL accepted.
        """
        try:
            return self._judge(x509.load_der_x509_certificate(certificate))
        except MALFORMED as error:
            raise CertificateInvalid(f"not a certificate that can be read: {error!s:.200}") from error

    def _judge(self, peer: x509.Certificate) -> PeerCertificate:
        if peer.issuer != self._authority.subject:
            raise CertificateInvalid("not a certificate of the device authority")
        try:
            peer.verify_directly_issued_by(self._authority)
        except InvalidSignature as error:
            raise CertificateInvalid("invalid signature: not signed by the device authority") from error
        key = require_supported(peer.public_key())
        self._check_usages(peer)
        self._check_time(self._authority, "the authority's certificate")
        self._check_time(peer, "the certificate")
        if peer.serial_number in self._revoked:
            raise CertificateInvalid("revoked")
        return PeerCertificate(
            name=require_label(common_name(peer.subject)),
            serial=peer.serial_number,
            issuer=peer.issuer.rfc4514_string(),
            public_key=public_key_der(key),
            not_after=peer.not_valid_after_utc.timestamp(),
        )

    def _check_time(self, certificate: x509.Certificate, subject: str) -> None:
        now = self._clock.utcnow()
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > not_after:
            raise CertificateInvalid(f"expired: {subject} was valid until {not_after:%Y-%m-%d %H:%M:%S} UTC")
        if now < not_before:
            raise CertificateInvalid(f"not yet valid: {subject} is valid from {not_before:%Y-%m-%d %H:%M:%S} UTC")

    @staticmethod
    def _check_usages(peer: x509.Certificate) -> None:
        constraints = find_extension(peer, x509.BasicConstraints)
        # Without the extension, it is an end entity's certificate (RFC 5280, section 4.2.1.9).
        if constraints is not None and constraints.ca:
            raise CertificateInvalid("wrong key usage: an authority's certificate")
        usage, extended = find_extension(peer, x509.KeyUsage), find_extension(peer, x509.ExtendedKeyUsage)
        if usage is None or extended is None:
            raise CertificateInvalid("wrong key usage: the certificate does not say what its key is for")
        if not usage.digital_signature:
            raise CertificateInvalid("wrong key usage: the key is not for digital signatures")
        if ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
            raise CertificateInvalid("wrong key usage: the key is not for client authentication")


def find_extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """Return the certificate's extension of that kind. Raises one of MALFORMED if the extensions cannot be read."""
    return next((found.value for found in certificate.extensions if isinstance(found.value, kind)), None)
