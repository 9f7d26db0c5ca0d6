"""Who boards are: the two authorities of a world, and credentials good and bad."""

from __future__ import annotations

import asyncio
from base64 import b64encode
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

__all__ = ["Certificate", "Pki"]


class Certificate(StrEnum):
    """What a board is given to prove who it is."""

    VALID = "valid"
    REQUEST = "request"
    """None: a pairing token instead, to enroll by signing request."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    REVOKED = "revoked"
    WRONG_USAGE = "wrong-usage"
    """For a client, but its key is for key agreement and not for signatures."""
    SERVER_ONLY = "server-only"
    """For a server: TLS itself refuses it."""
    UNKNOWN_AUTHORITY = "unknown-authority"
    """Signed by somebody whom the gateway does not know."""

    @classmethod
    def of(cls, name: Certificate | str) -> Certificate:
        """The member of that name. Raises UsageError naming the ones there are."""
        try:
            return cls(name)
        except ValueError as error:
            raise UsageError(f"there is no {name!r}", where="certificate", do=f"one of: {', '.join(cls)}") from error


class Pki:
    """The authorities that sign gateways, the one that signs devices, and another that nobody trusts."""

    def __init__(self, clock: Clock, randomness: Randomness, api: ResourceApi) -> None:
        self._clock, self._randomness, self._api = clock, randomness, api
        self.servers = ServerAuthorities("Wasmbed gateways", clock)
        self.devices = Authority.create("Wasmbed devices", clock)
        self._strangers: Authority | None = None
        self._judge: _Judge | None = None
        self._publishing = asyncio.Lock()

    def gateway(self, name: str) -> tuple[Identity, ...]:
        """The identities of a gateway that is reached on the loopback."""
        return self.servers.issue(name)

    def certificates(self) -> CertificateManager:
        """The judge of device certificates for a gateway that is about to start; it replaces the one before."""
        self._judge = _Judge(self.devices.certificate, self._clock)
        return self._judge

    async def credentials(
        self, name: str, certificate: Certificate | str = Certificate.VALID, *, algorithm: str = Algorithm.ED25519
    ) -> Credentials:
        """Credentials for a device of that name. Returns when the gateways can know what they must of them: the
        pairing token is there, or the revocation published."""
        certificate = Certificate.of(certificate)
        await self._clock.sleep(0)  # a thousand keys take a second: whoever wants to end it is heard in between
        key = generate_key(algorithm)
        private_key = private_key_der(key)
        if certificate is Certificate.REQUEST:
            return Credentials(self.servers.certificates, private_key, pairing_token=await self.pair(name))
        authority = self.devices
        options: dict[str, Any] = {}
        if certificate is Certificate.UNKNOWN_AUTHORITY:
            self._strangers = authority = self._strangers or Authority.create("Nobody you know", self._clock)
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
        """Take a certificate back, publish that, and return when the gateway has taken the list over.

        Raises ProductFailure when it does not within 10 s.
        """
        if credentials.certificate is None:
            raise UsageError("these credentials have no certificate", where="pki.revoke", do="revoke issued ones")
        async with self._publishing:  # the next list that is taken over is then this one
            self.devices.revoke(x509.load_der_x509_certificate(credentials.certificate).serial_number)
            taken = self._judge.next_update() if self._judge is not None else None
            await self._publish()
            if taken is None:
                return
            try:
                async with self._clock.deadline(10):
                    await taken
            except TimeoutError:
                raise ProductFailure(
                    "did not take the revocation list over within 10 s", where=f"gateway, ConfigMap {CRL_CONFIG_MAP}"
                ) from None

    def gateway_stopped(self) -> None:
        """There is no gateway to wait for any more."""
        self._judge = None

    async def _publish(self) -> None:
        data = {CRL_KEY: b64encode(self.devices.crl()).decode()}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CRL_CONFIG_MAP}, "binaryData": data}
        try:
            await self._api.patch(CONFIG_MAP, CRL_CONFIG_MAP, {"binaryData": data})
        except NotFound:
            await self._api.create(CONFIG_MAP, body)


class _Judge(CertificateManager):
    """A certificate manager that tells when it has a new revocation list."""

    def __init__(self, authority: bytes, clock: Clock) -> None:
        super().__init__(authority, clock)
        self._waiting: list[asyncio.Future[None]] = []

    def next_update(self) -> asyncio.Future[None]:
        """Done when the next revocation list was taken over."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def update_revocations(self, crl: bytes) -> None:
        super().update_revocations(crl)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
