"""What is wrong with a certificate or a signing request, in words for a log and for the wire."""

from __future__ import annotations

__all__ = ["CertificateInvalid"]


class CertificateInvalid(Exception):
    """A certificate or a signing request that must not be trusted, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
