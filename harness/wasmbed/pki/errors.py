"""Errors of certificates and signing requests, with reasons fit for a log and for the wire."""

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
"""The cryptography library's exceptions for bytes that it cannot read or verify. For some it only warns, which raises
where warnings are errors."""


class CertificateInvalid(Exception):
    """A certificate or a signing request must not be trusted; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
