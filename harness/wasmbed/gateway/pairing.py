"""Pairing: the enrollment of a device without a certificate, by signing request and one-time token.

A device that shows the token and proves that it has the private key of the request gets a certificate for that key,
and nothing else: it is registered when it connects again with the certificate. A peer without the token cannot even
claim the name.
"""

from __future__ import annotations

from base64 import b64decode
from hmac import compare_digest

from harness.core.clock import Clock
from harness.wasmbed.gateway.admission_checks import AdmissionChecks
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.device_ids import DeviceIds
from harness.wasmbed.gateway.refusals import PeerRefused
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.protocol.messages import EnrollmentRequest, ErrorCode
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import PURPOSE_LABEL, PURPOSE_PAIRING, TOKEN_KEY, pairing_secret

__all__ = ["Pairing"]

_INVALID_TOKEN = "invalid pairing token: wrong, already used, or never issued"
"""The same answer in all three cases, so that a peer cannot find out which devices wait for pairing."""


class Pairing:
    """Issues first certificates, if there is an ``authority`` to sign them."""

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        cache: DeviceCache,
        checks: AdmissionChecks,
        ids: DeviceIds,
        authority: Authority | None,
    ) -> None:
        self._settings, self._api, self._clock, self._cache = settings, api, clock, cache
        self._checks, self._ids, self._authority = checks, ids, authority

    async def pair(self, session: Session, request: EnrollmentRequest) -> tuple[str, bytes]:
        """Check the request of an anonymous peer; returns its device id and certificate (DER).

        Raises :class:`PeerRefused`.
        """
        if request.csr is None or request.pairing_token is None:
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
                version = await self._check_token(requested.name, request.pairing_token)
                self._checks.claim(session, requested.name)
                self._check_key(requested.name, request.public_key)
                certificate = self._authority.sign_request(request.csr)
                await self._api.delete(SECRET, pairing_secret(requested.name), resource_version=version)
        except (Conflict, NotFound) as error:
            raise _failed(_INVALID_TOKEN) from error
        except (OSError, ApiError) as error:
            reason = str(error) or "no answer in time"
            raise self._checks.retry(f"the pairing token could not be checked: {reason}") from error
        return self._ids.of(requested.name), certificate

    async def _check_token(self, name: str, token: str) -> str:
        """Compare ``token`` with the one in the device's Secret; returns the Secret's resourceVersion."""
        secret = await self._api.get(SECRET, pairing_secret(name))
        if not compare_digest(_token(secret), token.encode()):
            raise _failed(_INVALID_TOKEN)
        return str(secret["metadata"]["resourceVersion"])

    def _check_key(self, name: str, public_key: bytes) -> None:
        try:
            self._checks.check_key(self._cache.get(name), public_key)
        except PeerRefused as error:
            raise _failed(f"device {name} is registered with another key: delete the Device first") from error


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
