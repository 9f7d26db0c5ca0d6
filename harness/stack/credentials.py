"""The certificate authorities of a stack, and valid and invalid credentials for its boards."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509

from harness.boards.board import Credentials
from harness.core.clock import Clock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.pki.authority import DAY, DEVICE_USAGES, SERVER_USAGES, Authority, Usages
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import (
    Algorithm,
    PrivateKey,
    generate_key,
    load_private_key,
    private_key_der,
    public_key_der,
    write_folder,
)
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

_GATEWAYS, _DEVICES = "Wasmbed gateways", "Wasmbed devices"


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


@contextmanager
def _kept() -> Iterator[None]:
    """Say of a file that cannot be used that it belongs to a kept state: nobody can provide another one."""
    try:
        yield
    except UsageError as error:
        do = "restore the state folder from a copy, or begin with a new one"
        raise RigError(error.what, where=error.where, do=do) from error


class Pki:
    """The authorities that sign gateways, the one that signs devices, and one that is not trusted.

    ``note`` records what is issued and revoked, as :meth:`Recorder.note` does. ``folder`` keeps the authorities and the
    identities of boards, so that boards and gateways know each other again after a restart.
    """

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        api: ResourceApi,
        note: Callable[..., object],
        folder: Path | None = None,
        devices: Authority | None = None,
    ) -> None:
        """``devices``: the authority that signs devices, if a gateway brings it."""
        self._clock, self._randomness, self._api, self._note, self._folder = clock, randomness, api, note, folder
        if folder is None:
            self.servers = ServerAuthorities(_GATEWAYS, clock)
            self.devices = devices or Authority.create(_DEVICES, clock)
        else:
            with _kept():
                self.servers = ServerAuthorities(_GATEWAYS, clock, folder / "gateways")
                self.devices = devices or Authority.kept_in(folder / "devices", _DEVICES, clock)
        self._untrusted: Authority | None = None
        self._rotated: ServerAuthorities | None = None
        self._lists: dict[str, list[asyncio.Future[None]]] = {}
        """By gateway: the futures of callers that wait for it to load a revocation list."""
        self._publishing = asyncio.Lock()
        self._keys: dict[bytes, PrivateKey] = {}

    def gateway(self, name: str, *, valid_for: float | None = None, rotated: bool = False) -> tuple[Identity, ...]:
        """The identities of a gateway with a loopback address; they expire ``valid_for`` seconds from now. ``rotated``:
        of new authorities with the same names, which no board knows."""
        if rotated and self._rotated is None:
            self._rotated = ServerAuthorities(_GATEWAYS, self._clock)
        servers = self._rotated if rotated and self._rotated is not None else self.servers
        return servers.issue(name, not_after=self._time_in(valid_for))

    def reissue(self, name: str, credentials: Credentials, *, valid_for: float | None = None) -> Credentials:
        """The same credentials with another certificate for the device of that name; it expires ``valid_for`` seconds
        from now (negative: it has expired)."""
        key = load_private_key(credentials.private_key, "credentials")
        issued = self.devices.issue_device(name, key.public_key(), not_after=self._time_in(valid_for))
        return replace(credentials, certificate=issued)

    def is_revoked(self, credentials: Credentials) -> bool:
        """Whether their certificate was revoked."""
        if credentials.certificate is None:
            return False
        serial = x509.load_der_x509_certificate(credentials.certificate).serial_number
        return self.devices.is_revoked(serial)

    def _time_in(self, seconds: float | None) -> float | None:
        return None if seconds is None else self._clock.now() + seconds

    async def credentials(
        self, name: str, certificate: Certificate | str = Certificate.VALID, *, algorithm: str = Algorithm.ED25519
    ) -> Credentials:
        """Credentials for a device of that name. Returns once the gateways can know them: the pairing token is stored,
        or the revocation is published."""
        certificate = Certificate.of(certificate)
        kept = self._folder / "boards" / name if self._folder is not None and certificate is Certificate.VALID else None
        if kept is not None and kept.exists():
            with _kept():
                identity = Identity.load(kept)
            self._keys[identity.public_key_der] = identity.private_key
            return Credentials(self.servers.certificates, identity.private_key_der, certificate=identity.certificate)
        await self._clock.sleep(0)  # a thousand keys take a second: a cancellation must get through
        key = generate_key(algorithm)
        self._keys[public_key_der(key.public_key())] = key
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
        if kept is not None:
            write_folder(kept, partial(Identity(key, issued).save, authority=self.servers.certificates))
        credentials = Credentials(self.servers.certificates, private_key, certificate=issued)
        if certificate is Certificate.REVOKED:
            await self.revoke(credentials)
        return credentials

    def know(self, credentials: Credentials) -> None:
        """Note the key of credentials that were not issued here, for a relay that has to speak for their holder."""
        key = load_private_key(credentials.private_key, "credentials")
        self._keys[public_key_der(key.public_key())] = key

    def key_of(self, public_key: bytes) -> PrivateKey | None:
        """The private key of issued credentials, by their public key (SubjectPublicKeyInfo, DER)."""
        return self._keys.get(public_key)

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
            if self._folder is not None:
                self.devices.save(self._folder / "devices")
            loaded = self._next_lists()
            serials = await self._publish()
            if not loaded:
                return
            try:
                async with self._clock.deadline(10):
                    await asyncio.gather(*loaded)
            except TimeoutError:
                raise ProductFailure(
                    "did not load the revocation list within 10 s", where=f"gateway, ConfigMap {CRL_CONFIG_MAP}"
                ) from None
            self._note("revocation list in force", serials=serials)

    def gateway_started(self, name: str) -> None:
        """Note that a gateway runs which shows when it has loaded a list: :meth:`revoke` waits for that."""
        self._lists[name] = []

    def gateway_stopped(self, name: str) -> None:
        """Note that this gateway will load no list."""
        self.list_loaded(name)
        self._lists.pop(name, None)

    def list_loaded(self, name: str) -> None:
        """Note that this gateway has loaded a revocation list."""
        if name in self._lists:
            waiting, self._lists[name] = self._lists[name], []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _next_lists(self) -> list[asyncio.Future[None]]:
        """For each gateway that runs, a future that is done once it has loaded its next list."""
        loop = asyncio.get_running_loop()
        futures = []
        for waiting in self._lists.values():
            waiting.append(loop.create_future())
            futures.append(waiting[-1])
        return futures

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
