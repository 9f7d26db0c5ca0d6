"""Enrollment of a device that has no certificate yet: a signing request, and a token that is good once.

Whoever shows the token and proves that the key in the request is theirs gets a certificate for it, and nothing else:
the device is registered when it comes back with that certificate. Who has no token cannot even take its name.
"""

from __future__ import annotations

from base64 import b64decode
from hmac import compare_digest

from harness.core.clock import Clock
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.enrollment import Enrollment
from harness.wasmbed.gateway.refusals import PeerRefused
from harness.wasmbed.gateway.sessions import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.protocol.messages import EnrollmentRequest, ErrorCode
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import PURPOSE_LABEL, PURPOSE_PAIRING, TOKEN_KEY, pairing_secret

__all__ = ["Pairing"]

_BAD_TOKEN = "the pairing token is no good: it is wrong, was used already, or was never given"
"""One answer for all three, so that nobody learns which devices wait to be paired."""


class Pairing:
    """Issues first certificates. Without an ``authority`` nobody gets one."""

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        cache: DeviceCache,
        enrollment: Enrollment,
        authority: Authority | None,
    ) -> None:
        self._settings, self._api, self._clock = settings, api, clock
        self._cache, self._enrollment, self._authority = cache, enrollment, authority

    async def pair(self, session: Session, request: EnrollmentRequest) -> tuple[str, bytes]:
        """Check the request of an anonymous peer; returns device id and certificate. Raises :class:`PeerRefused`."""
        if request.csr is None or request.pairing_token is None:
            raise _failed("a device without a certificate has to send a signing request and a pairing token")
        if self._authority is None:
            raise _failed("this gateway issues no certificates: provision the device with one")
        self._enrollment.check_claims(request)
        try:
            asked = read_signing_request(request.csr)
        except CertificateInvalid as error:
            raise _failed(f"the signing request is no good: {error.reason}") from error
        if asked.public_key_der != request.public_key:
            raise _failed("the key in the request is not the signing request's")
        self._enrollment.check_nonce(asked.name, request)
        try:
            async with self._clock.deadline(self._settings.api_timeout):
                version = await self._check_token(pairing_secret(asked.name), request.pairing_token)
                self._enrollment.claim(session, asked.name)
                self._check_key(asked.name, request.public_key)
                certificate = self._authority.sign_request(request.csr)
                await self._api.delete(SECRET, pairing_secret(asked.name), resource_version=version)
        except (Conflict, NotFound) as error:
            raise _failed(_BAD_TOKEN) from error
        except (OSError, ApiError) as error:
            reason = str(error) or "no answer in time"
            raise self._enrollment.later(f"the pairing token could not be checked: {reason}") from error
        return self._enrollment.provisional_id(asked.name), certificate

    async def _check_token(self, name: str, token: str) -> str:
        secret = await self._api.get(SECRET, name)
        if not compare_digest(_token(secret), token.encode()):
            raise _failed(_BAD_TOKEN)
        return str(secret["metadata"]["resourceVersion"])

    def _check_key(self, name: str, public_key: bytes) -> None:
        try:
            self._enrollment.check_key(self._cache.get(name), public_key)
        except PeerRefused as error:
            raise _failed(f"device {name} is registered with another key: delete the Device first") from error


def _token(secret: Object) -> bytes:
    if (secret["metadata"].get("labels") or {}).get(PURPOSE_LABEL) != PURPOSE_PAIRING:
        raise _failed(_BAD_TOKEN)
    try:
        token = b64decode((secret.get("data") or {}).get(TOKEN_KEY, ""), validate=True)
    except ValueError as error:
        raise _failed(_BAD_TOKEN) from error
    if not token:
        raise _failed(_BAD_TOKEN)
    return token


def _failed(reason: str) -> PeerRefused:
    return PeerRefused(ErrorCode.ENROLLMENT_FAILED, reason)
