"""Pairing: the enrollment of a device without a certificate, by signing request and one-time token.

A device that shows the token, or comes while the gateway pairs without one, and proves that it has the private key of
the request gets a certificate for that key, and nothing else: it is registered when it connects again with the
certificate. A peer without the token of a name that has one cannot even claim it.

A token is used in two writes: its Secret is marked with the key that uses it, then deleted. So an answer of the API
server that is lost costs nobody the token: the mark says who used it.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from hmac import compare_digest

from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.gateway.admission_checks import AdmissionChecks
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.device_ids import DeviceIds
from harness.wasmbed.gateway.own_spec import OwnSpec
from harness.wasmbed.gateway.refusals import PeerRefused
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.protocol.messages import EnrollmentRequest, ErrorCode
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import (
    PURPOSE_LABEL,
    PURPOSE_PAIRING,
    TOKEN_KEY,
    USED_BY_ANNOTATION,
    pairing_secret,
)

__all__ = ["Pairing"]

log = get_log(__name__)

_INVALID_TOKEN = "invalid pairing token: wrong, already used, or never issued"
"""The same answer in all three cases, so that a peer cannot find out which devices wait for pairing."""
_ATTEMPTS = 3
_BACKOFF = Backoff(first=0.1)


class Pairing:
    """Issues first certificates, if there is an ``authority`` to sign them."""

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        cache: DeviceCache,
        checks: AdmissionChecks,
        ids: DeviceIds,
        own_spec: OwnSpec,
        authority: Authority | None,
    ) -> None:
        self._settings, self._api, self._clock, self._randomness = settings, api, clock, randomness
        self._cache, self._checks, self._ids, self._authority = cache, checks, ids, authority
        self._own_spec = own_spec

    async def pair(self, session: Session, request: EnrollmentRequest) -> tuple[str, bytes]:
        """Check the request of an anonymous peer; returns its device id and certificate (DER).

        Raises :class:`PeerRefused`.
        """
        token_missing = request.pairing_token is None and not self._own_spec.pairs_without_token
        if request.csr is None or token_missing:
            raise _failed("a device without a certificate has to send a signing request and a pairing token")
        if self._authority is None:
            raise _failed("this gateway issues no certificates: provision the device with one")
        self._checks.check_claims(request)
        try:
            requested = read_signing_request(request.csr)
        except CertificateInvalid as error:
            raise _failed(f"invalid signing request: {error.reason}") from error
        if requested.public_key_der != request.public_key:
            raise _failed("the key in the request is not the signing request's")
        self._checks.check_nonce(requested.name, request)
        try:
            async with self._clock.deadline(self._settings.api_timeout):
                secret = await self._check_token(requested.name, request.pairing_token)
                self._checks.claim(session, requested.name)
                self._check_key(requested.name, request.public_key, has_token=secret is not None)
                certificate = self._authority.sign_request(request.csr)
                if secret is not None:
                    secret = await self._use(secret, request.public_key)
        except (Conflict, NotFound) as error:
            raise _failed(_INVALID_TOKEN) from error
        except (OSError, ApiError) as error:
            why = reason(error) if str(error) else "no answer in time"
            raise self._checks.retry(f"the pairing token could not be checked: {why}") from error
        if secret is not None:
            await self._remove(secret)
        return self._ids.of(requested.name), certificate

    async def _check_token(self, name: str, token: str | None) -> Object | None:
        """Compare ``token`` with the one in the device's Secret; returns the Secret. None if there is none, and the
        gateway pairs without tokens now. Raises :class:`NotFound` if it does not."""
        try:
            secret = await self._api.get(SECRET, pairing_secret(name))
        except NotFound:
            if not self._own_spec.pairs_without_token:
                raise
            return None
        if token is None or not compare_digest(_token(secret), token.encode()):
            raise _failed(_INVALID_TOKEN)
        return secret

    async def _use(self, secret: Object, public_key: bytes) -> Object:
        """Mark the token as used by this key; returns the Secret as it is then. Raises :class:`PeerRefused` if another
        key used the token."""
        mark = _mark(secret, public_key)
        if (used_by := _used_by(secret)) is None:
            name, version = secret["metadata"]["name"], secret["metadata"]["resourceVersion"]
            metadata = {"resourceVersion": version, "annotations": {USED_BY_ANNOTATION: mark}}
            try:
                return await self._api.patch(SECRET, name, {"metadata": metadata})
            except (Conflict, NotFound):
                raise
            except (OSError, ApiError):  # it may have been done all the same
                secret = await self._api.get(SECRET, name)
                if (used_by := _used_by(secret)) is None:
                    raise
        if used_by != mark:
            raise _failed(_INVALID_TOKEN)
        return secret

    async def _remove(self, secret: Object) -> None:
        """Delete a token that was used, in the time of one request, since its device waits for the certificate. One
        that stays serves nobody but its user."""
        name, why = secret["metadata"]["name"], "no answer in time"
        try:
            async with self._clock.deadline(self._settings.api_timeout):
                for failures in range(_ATTEMPTS):
                    if failures:
                        await self._clock.sleep(_BACKOFF.delay(failures - 1, self._randomness))
                    try:
                        await self._api.delete(SECRET, name, resource_version=secret["metadata"]["resourceVersion"])
                        return
                    except (Conflict, NotFound):  # it was deleted, or replaced by a new one
                        return
                    except (OSError, ApiError) as error:
                        why = reason(error)
        except TimeoutError:
            pass
        log.warning("Secret %s: a pairing token was used and could not be deleted: %s; delete it", name, why)

    def _check_key(self, name: str, public_key: bytes, *, has_token: bool) -> None:
        device = self._cache.get(name)
        if device is not None and device.awaits_board and not has_token:
            raise _failed(f"device {name} has no key on record yet: it needs a pairing token")
        try:
            self._checks.check_key(device, public_key)
        except PeerRefused as error:
            raise _failed(f"device {name} is registered with another key: delete the Device first") from error


def _mark(secret: Object, public_key: bytes) -> str:
    """The proof that the key used the token that the Secret has now."""
    return f"{hashlib.sha256(_token(secret)).hexdigest()}.{hashlib.sha256(public_key).hexdigest()}"


def _used_by(secret: Object) -> str | None:
    """The mark of the key that used the token; None for a token that was not used, or is newer than the mark."""
    mark = str((secret["metadata"].get("annotations") or {}).get(USED_BY_ANNOTATION) or "")
    return mark if mark.startswith(hashlib.sha256(_token(secret)).hexdigest()) else None


def _token(secret: Object) -> bytes:
    if (secret["metadata"].get("labels") or {}).get(PURPOSE_LABEL) != PURPOSE_PAIRING:
        raise _failed(_INVALID_TOKEN)
    try:
        token = b64decode((secret.get("data") or {}).get(TOKEN_KEY, ""), validate=True)
    except ValueError as error:
        raise _failed(_INVALID_TOKEN) from error
    if not token:
        raise _failed(_INVALID_TOKEN)
    return token


def _failed(reason: str) -> PeerRefused:
    return PeerRefused(ErrorCode.ENROLLMENT_FAILED, reason)
