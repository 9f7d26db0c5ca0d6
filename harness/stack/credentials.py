"""The certificate authorities of a stack, and valid and invalid credentials for its boards."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from cryptography import x509

from harness.boards.board import Credentials
from harness.core.clock import Clock
from harness.core.errors import ProductFailure, UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.pki.authority import DAY, DEVICE_USAGES, SERVER_USAGES, Authority, Usages
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.resources.api import NotFound, ResourceApi
from harness.wasmbed.resources.kinds import CONFIG_MAP, SECRET
from harness.wasmbed.resources.names import (
    CRL_CONFIG_MAP,
    CRL_KEY,
    PURPOSE_LABEL,
    PURPOSE_PAIRING,
    TOKEN_KEY,
    pairing_secret,
)
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Certificate", "Pki", "validity"]


class Certificate(StrEnum):
    """The kinds of credentials that a board can get."""

    VALID = "valid"
    REQUEST = "request"
    """No certificate, but a pairing token, to enroll by signing request."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    REVOKED = "revoked"
    WRONG_USAGE = "wrong-usage"
    """For a client, but with a key usage of key agreement instead of signatures."""
    SERVER_ONLY = "server-only"
    """For a server, which TLS itself refuses."""
    UNKNOWN_AUTHORITY = "unknown-authority"
    """Signed by an authority that the gateway does not trust."""

    @classmethod
    def of(cls, name: Certificate | str) -> Certificate:
        """The member of that name. Raises UsageError naming the valid ones."""
        try:
            return cls(name)
        except ValueError as error:
            raise UsageError(f"unknown kind {name!r}", where="certificate", do=f"one of: {', '.join(cls)}") from error


class Pki:
    """The authorities that sign gateways, the one that signs devices, and one that is not trusted.

    ``note`` records what is issued and revoked, as :meth:`Recorder.note` does.
    """

    def __init__(self, clock: Clock, randomness: Randomness, api: ResourceApi, note: Callable[..., object]) -> None:
        self._clock, self._randomness, self._api, self._note = clock, randomness, api, note
        self.servers = ServerAuthorities("Wasmbed gateways", clock)
        self.devices = Authority.create("Wasmbed devices", clock)
        self._untrusted: Authority | None = None
        self._manager: _Manager | None = None
        self._publishing = asyncio.Lock()

    def gateway(self, name: str) -> tuple[Identity, ...]:
        """The identities of a gateway with a loopback address."""
        return self.servers.issue(name)

    def certificates(self) -> CertificateManager:
        """A new certificate manager for a gateway that is about to start; it replaces the previous one."""
        self._manager = _Manager(self.devices.certificate, self._clock)
        return self._manager

    async def credentials(
        self, name: str, certificate: Certificate | str = Certificate.VALID, *, algorithm: str = Algorithm.ED25519
    ) -> Credentials:
        """Credentials for a device of that name. Returns once the gateways can know them: the pairing token is stored,
        or the revocation is published."""
        certificate = Certificate.of(certificate)
        await self._clock.sleep(0)  # a thousand keys take a second: a cancellation must get through
        key = generate_key(algorithm)
        private_key = private_key_der(key)
        if certificate is Certificate.REQUEST:
            return Credentials(self.servers.certificates, private_key, pairing_token=await self.pair(name))
        authority = self.devices
        options: dict[str, Any] = {}
        if certificate is Certificate.UNKNOWN_AUTHORITY:
            self._untrusted = authority = self._untrusted or Authority.create("Untrusted devices", self._clock)
        elif certificate is Certificate.EXPIRED:
            options = {"not_before": self._clock.now() - 30 * DAY, "not_after": self._clock.now() - DAY}
        elif certificate is Certificate.NOT_YET_VALID:
            options = {"not_before": self._clock.now() + DAY, "not_after": self._clock.now() + 30 * DAY}
        elif certificate is Certificate.WRONG_USAGE:
            options = {"usages": Usages(("key_agreement",), DEVICE_USAGES.extended)}
        elif certificate is Certificate.SERVER_ONLY:
            options = {"usages": SERVER_USAGES}
        issued = authority.issue_device(name, key.public_key(), **options)
        credentials = Credentials(self.servers.certificates, private_key, certificate=issued)
        if certificate is Certificate.REVOKED:
            await self.revoke(credentials)
        return credentials

    async def pair(self, name: str) -> str:
        """Allow one device of that name to enroll by signing request; returns the one-time token."""
        token = self._randomness.token()
        self._note("pairing token issued", name, token=token)
        await self._api.create(
            SECRET,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": pairing_secret(name), "labels": {PURPOSE_LABEL: PURPOSE_PAIRING}},
                "data": {TOKEN_KEY: b64encode(token.encode()).decode()},
            },
        )
        return token

    async def revoke(self, credentials: Credentials) -> None:
        """Revoke a certificate, publish the list, and return once the gateway has loaded it.

        Raises ProductFailure if the gateway does not load it within 10 s.
        """
        if credentials.certificate is None:
            raise UsageError("these credentials have no certificate", where="pki.revoke", do="revoke issued ones")
        async with self._publishing:  # so that the next list that the gateway loads is this one
            serial = x509.load_der_x509_certificate(credentials.certificate).serial_number
            self._note("certificate revoked", serial=str(serial))
            self.devices.revoke(serial)
            loaded = self._manager.next_update() if self._manager is not None else None
            serials = await self._publish()
            if loaded is None:
                return
            try:
                async with self._clock.deadline(10):
                    await loaded
            except TimeoutError:
                raise ProductFailure(
                    "did not load the revocation list within 10 s", where=f"gateway, ConfigMap {CRL_CONFIG_MAP}"
                ) from None
            self._note("revocation list in force", serials=serials)

    def gateway_stopped(self) -> None:
        """Note that there is no gateway whose reload :meth:`revoke` could wait for."""
        self._manager = None

    async def _publish(self) -> list[str]:
        """Write the list into the cluster; returns the serial numbers that it holds."""
        crl = self.devices.crl()
        listed = x509.load_der_x509_crl(crl)
        serials = [str(entry.serial_number) for entry in listed]
        data = {CRL_KEY: b64encode(crl).decode()}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CRL_CONFIG_MAP}, "binaryData": data}
        try:
            await self._api.patch(CONFIG_MAP, CRL_CONFIG_MAP, {"binaryData": data})
        except NotFound:
            await self._api.create(CONFIG_MAP, body)
        number = listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        self._note("revocation list published", number=number, serials=serials)
        return serials


def validity(certificate: bytes) -> dict[str, str]:
    """Return subject, issuer and validity of a DER certificate."""
    read = x509.load_der_x509_certificate(certificate)
    return {
        "subject": read.subject.rfc4514_string(),
        "issuer": read.issuer.rfc4514_string(),
        "notBefore": format_timestamp(read.not_valid_before_utc.timestamp()),
        "notAfter": format_timestamp(read.not_valid_after_utc.timestamp()),
    }


class _Manager(CertificateManager):
    """A certificate manager whose next revocation list can be awaited."""

    def __init__(self, authority: bytes, clock: Clock) -> None:
        super().__init__(authority, clock)
        self._waiting: list[asyncio.Future[None]] = []

    def next_update(self) -> asyncio.Future[None]:
        """A future that is done once the next revocation list is loaded."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def update_revocations(self, crl: bytes) -> None:
        super().update_revocations(crl)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
