"""Names in certificates: a device's common name is its resource's name, so it must be a DNS label (RFC 1123)."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

from harness.wasmbed.pki.errors import CertificateInvalid

__all__ = ["common_name", "require_label", "subject"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def subject(name: str) -> x509.Name:
    """Return a distinguished name with a common name only. Raises :class:`ValueError` above 64 characters."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def common_name(name: x509.Name) -> str:
    """Return the one common name in ``name``. Raises :class:`CertificateInvalid`."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(found) != 1:
        raise CertificateInvalid("a subject without exactly one common name")
    return str(found[0].value)


def require_label(name: str) -> str:
    """Return ``name`` if it is a valid resource name. Raises :class:`CertificateInvalid` otherwise."""
    if not _LABEL.fullmatch(name):
        raise CertificateInvalid(f"the common name {name!r:.80} is not a DNS label (a-z, 0-9, -)")
    return name
