"""The authority of devices and the certificates that it has issued, in a folder.

The folder is the one of ``wasmbed secrets``: ``ca-cert.der``, ``ca-key.der`` and ``crl.der``. Beside them, ``issued``
has each certificate under its serial number. Gateways that sign requests of devices keep no record of them: such a
certificate can be revoked by its serial number, and is not in the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import dropwhile, islice
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.wasmbed.pki.authority import CRL_FILE, Authority
from harness.wasmbed.pki.errors import MALFORMED
from harness.wasmbed.pki.keys import PublicKey, require_supported, write_file, write_folder

__all__ = ["CertificateStatus", "Issued", "ListFull", "Register", "RegisterFull", "adopt", "pem"]

DAY = 86_400.0
_FOLDER = "issued"
_MOST = 100_000
"""Certificates that are kept; one that has expired makes room."""
_LARGEST_LIST = 1 << 20
"""Bytes of a revocation list that a ConfigMap holds (Kubernetes' MaxSecretSize): some 28,000 certificates."""
_ENTRY = 64
"""Bytes that a certificate adds to it, at most."""


class CertificateStatus(StrEnum):
    """Whether a certificate can be used."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


class RegisterFull(Exception):
    """No further certificate can be kept."""


class ListFull(Exception):
    """No further certificate can be revoked."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, and when it was revoked."""

    certificate: x509.Certificate
    revoked: datetime | None

    @property
    def id(self) -> str:
        """Its serial number in hexadecimal digits."""
        return f"{self.certificate.serial_number:x}"

    @property
    def name(self) -> str:
        """The device's name: the subject's common name."""
        return str(self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)

    def status(self, now: float) -> CertificateStatus:
        """Return whether it can be used."""
        if self.revoked is not None:
            return CertificateStatus.REVOKED
        expired = self.certificate.not_valid_after_utc.timestamp() < now
        return CertificateStatus.EXPIRED if expired else CertificateStatus.ACTIVE


class Register:
    """The certificates by id, oldest first. What changes them has written its file when it returns, in the caller's
    thread: nothing reads a list that changes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Read ``folder``; a new authority is made if it is not there. Raises :class:`UsageError`."""
        self.folder, self._clock = folder, clock
        self.authority = Authority.kept_in(folder, "Wasmbed devices", clock)
        found = [_read(path) for path in (folder / _FOLDER).glob("*.der")]
        found.sort(key=lambda each: (each.not_valid_before_utc, each.serial_number))
        self._certificates = {f"{each.serial_number:x}": each for each in found}

    def __len__(self) -> int:
        return len(self._certificates)

    def __iter__(self) -> Iterator[Issued]:
        return map(self._issued, list(self._certificates.values()))

    def behind(self, id: str) -> Iterator[Issued]:
        """Return the certificates behind the one with this id; all if it is not there."""
        return islice(dropwhile(lambda each: each.id != id, self), 1, None) if id in self._certificates else iter(self)

    def get(self, id: str) -> Issued | None:
        """Return the certificate with this id."""
        found = self._certificates.get(id)
        return None if found is None else self._issued(found)

    def issue(self, name: str, public_key: PublicKey, days: int) -> Issued:
        """Issue a certificate for a device. Raises :class:`CertificateInvalid` for its name, :class:`RegisterFull`."""
        self._make_room()
        der = self.authority.issue_device(name, public_key, not_after=self._clock.now() + days * DAY)
        issued = self._issued(x509.load_der_x509_certificate(der))
        write_file(self.folder / _FOLDER / f"{issued.id}.der", der)
        self._certificates[issued.id] = issued.certificate
        return issued

    def renew(self, issued: Issued, days: int) -> Issued:
        """Issue a certificate for the same name and key. Raises :class:`RegisterFull`."""
        return self.issue(issued.name, require_supported(issued.certificate.public_key()), days)

    def revoke(self, serial: int) -> bytes:
        """Revoke a certificate, also one that is not in the register; returns the new list.

        Raises :class:`ListFull`, and :class:`ValueError` for a number that no certificate has.
        """
        if not self.authority.is_revoked(serial) and (size := len(self.authority.crl())) + _ENTRY > _LARGEST_LIST:
            do = "make a new authority of devices, and let the devices enroll again"
            raise ListFull(f"the revocation list has {size:,} bytes, and a ConfigMap holds {_LARGEST_LIST:,}; {do}")
        self.authority.revoke(serial)
        crl = self.authority.crl()
        write_file(self.folder / CRL_FILE, crl)
        return crl

    def _issued(self, certificate: x509.Certificate) -> Issued:
        return Issued(certificate, self.authority.revoked_at(certificate.serial_number))

    def _make_room(self) -> None:
        if len(self) < _MOST:
            return
        oldest = min(self._certificates.values(), key=lambda each: each.not_valid_after_utc)
        if oldest.not_valid_after_utc.timestamp() >= self._clock.now():
            raise RegisterFull(f"there are {len(self):,} certificates that have not expired; no more are kept")
        id = f"{oldest.serial_number:x}"
        (self.folder / _FOLDER / f"{id}.der").unlink(missing_ok=True)
        del self._certificates[id]


def adopt(folder: Path, authority: Authority, clock: Clock) -> None:
    """Make the register's folder with an authority that gateways know. Raises :class:`UsageError` if it has another."""
    if not folder.exists():
        write_folder(folder, authority.save)
    elif Authority.load(folder, clock).certificate != authority.certificate:
        do = "use a new folder, or the authority of this one"
        raise UsageError("has another authority of devices than --device-authority", where=str(folder), do=do)


def pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(path.read_bytes())
    except (*MALFORMED, OSError) as error:
        do = "remove it, or restore it from a backup"
        raise UsageError("is not a certificate in DER", where=str(path), do=do) from error
