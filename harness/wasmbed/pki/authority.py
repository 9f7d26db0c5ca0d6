"""A certificate authority: it signs identities and signing requests, and publishes which it has revoked."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.wasmbed.pki.errors import MALFORMED, CertificateInvalid
from harness.wasmbed.pki.identity import AUTHORITY_FILE, Identity, load_certificate, load_identity
from harness.wasmbed.pki.keys import (
    Algorithm,
    PrivateKey,
    PublicKey,
    generate_key,
    load_private_key,
    private_key_der,
    read_file,
    require_supported,
    signature_hash,
    write_file,
    write_folder,
)
from harness.wasmbed.pki.names import require_label, subject
from harness.wasmbed.pki.requests import read_signing_request

__all__ = ["AUTHORITY_KEY_FILE", "CRL_FILE", "DEVICE_USAGES", "SERVER_USAGES", "Authority", "Usages"]

AUTHORITY_KEY_FILE = "ca-key.der"
CRL_FILE = "crl.der"

DAY = 86_400.0
ALLOWANCE = 300.0
"""Seconds before the issue from which a certificate is valid, for clocks that are slow."""
AUTHORITY_LIFETIME = 3650 * DAY
LIFETIME = 365 * DAY
CRL_LIFETIME = 30 * DAY


@dataclass(frozen=True, slots=True)
class Usages:
    """The permitted uses of a certificate's key (RFC 5280, sections 4.2.1.3 and 4.2.1.12)."""

    key: tuple[str, ...] = ("digital_signature",)
    """Names of attributes of :class:`cryptography.x509.KeyUsage`."""
    extended: tuple[x509.ObjectIdentifier, ...] = ()
    """If empty, the extension is left out."""


_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)

DEVICE_USAGES = Usages(extended=(ExtendedKeyUsageOID.CLIENT_AUTH,))
SERVER_USAGES = Usages(extended=(ExtendedKeyUsageOID.SERVER_AUTH,))


class Authority:
    """An authority with its private key. Times are seconds of ``clock``; certificates and lists are DER."""

    def __init__(self, private_key: PrivateKey, certificate: x509.Certificate, clock: Clock) -> None:
        self._key = private_key
        self._certificate = certificate
        self._clock = clock
        self._revoked: dict[int, x509.RevokedCertificate] = {}
        self._crl_number = 1
        self.certificate = certificate.public_bytes(serialization.Encoding.DER)

    @property
    def private_key(self) -> PrivateKey:
        """Its key, for a gateway in another process that signs with it."""
        return self._key

    @classmethod
    def create(
        cls,
        common_name: str,
        clock: Clock,
        *,
        algorithm: str = Algorithm.P256,
        lifetime: tuple[float, float] | None = None,
    ) -> Authority:
        """Return a new root that signs end-entity certificates only.

        It is valid for ten years, or from the first to the second of ``lifetime``, in seconds of the clock.
        """
        begin, end = lifetime or (clock.now() - ALLOWANCE, clock.now() + AUTHORITY_LIFETIME)
        key = generate_key(algorithm)
        name = subject(common_name)
        builder = (
            _builder(name, name, key.public_key(), begin, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        )
        return cls(key, builder.sign(key, signature_hash(key)), clock)

    @classmethod
    def kept_in(cls, folder: Path, common_name: str, clock: Clock, *, algorithm: str = Algorithm.P256) -> Authority:
        """The authority that ``folder`` holds; a new one, which is saved there, if there is no such folder."""
        if folder.exists():
            return cls.load(folder, clock)
        authority = cls.create(common_name, clock, algorithm=algorithm)
        write_folder(folder, authority.save)
        return authority

    def issue_device(
        self,
        name: str,
        public_key: PublicKey,
        *,
        not_before: float | None = None,
        not_after: float | None = None,
        usages: Usages = DEVICE_USAGES,
    ) -> bytes:
        """Return a certificate for a device; ``not_before`` and ``not_after`` default to now and a year from now.

        Raises :class:`CertificateInvalid` if ``name`` cannot name a device.
        """
        return self._issue(require_label(name), public_key, (), usages, not_before, not_after)

    def issue_server(
        self,
        common_name: str,
        names: Iterable[str] = ("localhost", "127.0.0.1"),
        *,
        algorithm: str = Algorithm.P256,
        not_before: float | None = None,
        not_after: float | None = None,
        usages: Usages = SERVER_USAGES,
    ) -> Identity:
        """Return a server's identity with a new key. ``names`` are its host names and addresses."""
        key = generate_key(algorithm)
        return Identity(key, self._issue(common_name, key.public_key(), names, usages, not_before, not_after))

    def sign_request(self, csr: bytes) -> bytes:
        """Return the certificate for a device's signing request. Raises :class:`CertificateInvalid`."""
        request = read_signing_request(csr)
        return self.issue_device(request.name, request.public_key)

    def is_revoked(self, serial: int) -> bool:
        """Whether the certificate with that serial number was revoked."""
        return serial in self._revoked

    def revoked_at(self, serial: int) -> datetime | None:
        """Return when the certificate with that serial number was revoked; None if it was not."""
        entry = self._revoked.get(serial)
        return None if entry is None else entry.revocation_date_utc

    def revoke(self, serial: int) -> None:
        """Revoke the certificate with this serial number; it is in the next :meth:`crl`.

        Raises :class:`ValueError` for a number that no certificate has (RFC 5280, section 4.1.2.2).
        """
        if serial not in self._revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_moment(self._clock.now()))
            self._revoked[serial] = entry.build()
            self._crl_number += 1

    def crl(self) -> bytes:
        """Return the signed list of revoked certificates (RFC 5280, section 5)."""
        now = self._clock.now()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(_moment(now - ALLOWANCE))
            .next_update(_moment(now + CRL_LIFETIME))
            .add_extension(x509.CRLNumber(self._crl_number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for entry in self._revoked.values():
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, signature_hash(self._key)).public_bytes(serialization.Encoding.DER)

    def save(self, folder: Path) -> None:
        """Write the certificate, key, and revocation list; only the file's owner can read the key."""
        write_file(folder / AUTHORITY_FILE, self.certificate)
        write_file(folder / AUTHORITY_KEY_FILE, private_key_der(self._key), secret=True)
        write_file(folder / CRL_FILE, self.crl())

    @classmethod
    def of(cls, certificate: Path, key: Path, clock: Clock) -> Authority:
        """Read an authority from its certificate and its key, DER, without a list of what it has revoked.

        Raises :class:`UsageError` that names the unusable file.
        """
        identity = load_identity(certificate, key)
        return cls(identity.private_key, x509.load_der_x509_certificate(identity.certificate), clock)

    @classmethod
    def load(cls, folder: Path, clock: Clock) -> Authority:
        """Read what :meth:`save` wrote. Raises :class:`UsageError` that names the unusable file."""
        key = load_private_key(read_file(folder / AUTHORITY_KEY_FILE), str(folder / AUTHORITY_KEY_FILE))
        certificate = x509.load_der_x509_certificate(load_certificate(folder / AUTHORITY_FILE))
        if certificate.public_key() != key.public_key():
            raise UsageError(
                f"the certificate is not for the key in {AUTHORITY_KEY_FILE}",
                where=str(folder / AUTHORITY_FILE),
                do="provide both files of one authority",
            )
        authority = cls(key, certificate, clock)
        try:
            number, authority._revoked = read_crl(read_file(folder / CRL_FILE), certificate)
        except CertificateInvalid as error:
            raise UsageError(
                error.reason, where=str(folder / CRL_FILE), do="provide the list this authority signed last"
            ) from error
        authority._crl_number = number
        return authority

    def _issue(
        self,
        common_name: str,
        public_key: PublicKey,
        names: Iterable[str],
        usages: Usages,
        not_before: float | None,
        not_after: float | None,
    ) -> bytes:
        now = self._clock.now()
        if not_after is None:
            not_after = now + LIFETIME
        if not_before is None:
            not_before = min(now, not_after) - ALLOWANCE
        builder = (
            _builder(
                subject(common_name), self._certificate.subject, require_supported(public_key), not_before, not_after
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(*usages.key), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if usages.extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages.extended), critical=False)
        if alternatives := [_general_name(name) for name in names]:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, signature_hash(self._key)).public_bytes(serialization.Encoding.DER)


def read_crl(der: bytes, authority: x509.Certificate) -> tuple[int, dict[int, x509.RevokedCertificate]]:
    """Return a revocation list's number, and its entries by serial number.

    Raises :class:`CertificateInvalid` if it is malformed or not signed by ``authority``.
    """
    try:
        crl = x509.load_der_x509_crl(der)
        key = require_supported(authority.public_key())
        signed = crl.issuer == authority.subject and crl.is_signature_valid(key)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        revoked = {entry.serial_number: entry for entry in crl}
    except (*MALFORMED, x509.ExtensionNotFound) as error:
        raise CertificateInvalid("not a revocation list") from error
    if not signed:
        raise CertificateInvalid("a revocation list that the authority did not sign")
    return number, revoked


def _builder(
    name: x509.Name, issuer: x509.Name, key: PublicKey, not_before: float, not_after: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(not_before))
        .not_valid_after(_moment(not_after))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in usages for usage in _KEY_USAGES})


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
