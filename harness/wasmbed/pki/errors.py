"""What is wrong with a certificate or a signing request, in words for a log and for the wire."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

__all__ = ["MALFORMED", "CertificateInvalid"]

MALFORMED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
"""The library's exceptions for bytes that it cannot read or verify. It only warns of some, which raises an exception
where warnings are errors."""


class CertificateInvalid(Exception):
    """A certificate or a signing request that must not be trusted, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
