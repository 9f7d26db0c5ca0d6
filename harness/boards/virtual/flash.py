"""The flash of a virtual board: its identity and the authorities that it trusts, kept through reset and power cut."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from harness.boards.board import Credentials
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import Identity, certified_key, create_signing_request
from harness.wasmbed.pki.keys import load_private_key, public_key_der

__all__ = ["ContextMaker", "Flash", "PowerLost"]


class ContextMaker(Protocol):
    """Returns a client's TLS context for an authority's certificate (DER), an identity, and the time of day; contexts
    may be shared."""

    def __call__(self, authority: bytes, identity: Identity | None, clock: Clock) -> ssl.SSLContext: ...


class PowerLost(Exception):
    """The board's power goes in the middle of a write: it does nothing any more."""


class Flash:
    """The board's key, certificates and pairing token. Raises UsageError for credentials that cannot be used."""

    __slots__ = (
        "_authority",
        "_certificate",
        "_context",
        "_is_stored",
        "_key",
        "_make_context",
        "_name",
        "_torn",
        "is_worn",
        "pairing_token",
    )

    def __init__(
        self, name: str, credentials: Credentials, make_context: Callable[[bytes, Identity | None], ssl.SSLContext]
    ) -> None:
        self._name = name
        self._key = load_private_key(credentials.private_key, f"the private key of {name}")
        self._authority = credentials.authority
        self._make_context = make_context
        try:
            self._context = self._load(credentials.certificate)
        except CertificateInvalid as error:
            raise UsageError(error.reason, where=name, do="issue new ones") from error
        self._certificate = credentials.certificate
        self.pairing_token: str | None = credentials.pairing_token
        self.is_worn = False
        """Whether it refuses each write."""
        self._is_stored = True
        """Whether the certificate is there after a loss of power, if there is one."""
        self._torn: asyncio.Future[None] | None = None

    def boot(self) -> None:
        """Begin with what was stored: what could not be written is gone."""
        if not self._is_stored:
            self._certificate, self._is_stored = None, True
            self._context = self._load(None)

    async def tear(self) -> None:
        """Tear the next write; returns at that moment."""
        self._torn = asyncio.get_running_loop().create_future()
        try:
            await self._torn
        finally:
            self._torn = None

    @property
    def has_certificate(self) -> bool:
        """Whether it has a certificate. A board that was made without one has none until its signing request is
        answered."""
        return self._certificate is not None

    @property
    def certificate(self) -> bytes | None:
        """Its certificate, DER, if it has one."""
        return self._certificate

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

    def store(self, certificate: bytes) -> bool:
        """Store an issued certificate and delete the pairing token, which was used for it. False: it could not be
        written, and is there until the power goes.

        Raises :class:`CertificateInvalid` if it is not a certificate for this board's key, :class:`PowerLost` in the
        middle of the write: then nothing was stored, because half a record is none.
        """
        if certified_key(certificate) != self.public_key:
            raise CertificateInvalid("the certificate is for another key")
        context = self._load(certificate)
        if self._torn is not None and not self._torn.done():
            self._torn.set_result(None)
            raise PowerLost
        self._context, self._certificate, self._is_stored = context, certificate, not self.is_worn
        if self._is_stored:
            self.pairing_token = None
        return self._is_stored

    def _load(self, certificate: bytes | None) -> ssl.SSLContext:
        identity = None if certificate is None else Identity(self._key, certificate)
        try:
            return self._make_context(self._authority, identity)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise CertificateInvalid(f"OpenSSL refuses these credentials: {reason}") from error
