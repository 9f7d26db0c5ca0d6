"""The flash of a virtual board: its identity and the authorities that it trusts, kept through reset and power cut."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from harness.boards.board import Credentials
from harness.core.errors import UsageError
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import Identity, certified_key, create_signing_request
from harness.wasmbed.pki.keys import load_private_key, public_key_der

__all__ = ["ContextMaker", "Flash"]

ContextMaker = Callable[[bytes, Identity | None], ssl.SSLContext]
"""Returns a client's TLS context for an authority's certificate (DER) and an identity; contexts may be shared."""


class Flash:
    """The board's key, certificates and pairing token. Raises UsageError for credentials that cannot be used."""

    __slots__ = ("_authority", "_certificate", "_context", "_key", "_make_context", "_name", "pairing_token")

    def __init__(self, name: str, credentials: Credentials, make_context: ContextMaker) -> None:
        self._name = name
        self._key = load_private_key(credentials.private_key, f"the private key of {name}")
        self._authority = credentials.authority
        self._make_context = make_context
        try:
            self._context = self._load(credentials.certificate)
        except CertificateInvalid as error:
            raise UsageError(error.reason, where=name, do="issue new ones") from error
        self._certificate = credentials.certificate
        self.pairing_token = credentials.pairing_token

    @property
    def has_certificate(self) -> bool:
        """Whether it has a certificate. A board that was made without one has none until its signing request is
        answered."""
        return self._certificate is not None

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return public_key_der(self._key.public_key())

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context for connections until another certificate is stored."""
        return self._context

    def signing_request(self) -> bytes:
        """Make a certification request for this board's name, DER (RFC 2986)."""
        return create_signing_request(self._key, self._name)

    def store(self, certificate: bytes) -> None:
        """Store an issued certificate and delete the pairing token, which was used for it.

        Raises :class:`CertificateInvalid` if it is not a certificate for this board's key.
        """
        if certified_key(certificate) != self.public_key:
            raise CertificateInvalid("the certificate is for another key")
        self._context = self._load(certificate)
        self._certificate, self.pairing_token = certificate, None

    def _load(self, certificate: bytes | None) -> ssl.SSLContext:
        identity = None if certificate is None else Identity(self._key, certificate)
        try:
            return self._make_context(self._authority, identity)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise CertificateInvalid(f"OpenSSL refuses these credentials: {reason}") from error
