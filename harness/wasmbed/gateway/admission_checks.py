"""The checks before a device is admitted: enrollment, pairing, and the return of a known device share them.

Each raises :class:`PeerRefused` with the error that the device gets.
"""

from __future__ import annotations

from base64 import b64encode

from harness.core.clock import Clock
from harness.wasmbed.gateway.nonces import NonceMemory
from harness.wasmbed.gateway.refusals import PeerRefused, certificate_invalid, try_again
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import KNOWN_CAPABILITIES, REQUIRED_CAPABILITIES, GatewaySettings
from harness.wasmbed.protocol.messages import EnrollmentRequest, ErrorCode
from harness.wasmbed.resources.views import Device

__all__ = ["AdmissionChecks"]


class AdmissionChecks:
    """Checks capabilities, nonces, and keys, and claims names."""

    def __init__(self, settings: GatewaySettings, clock: Clock, sessions: Sessions) -> None:
        self._settings, self._clock, self._sessions = settings, clock, sessions
        self._nonces = NonceMemory(settings.nonces)

    def check_claims(self, request: EnrollmentRequest) -> None:
        """Refuse a device type or capabilities that the gateway does not support."""
        known = self._settings.device_types
        if request.device_type not in known:
            raise PeerRefused(
                ErrorCode.ENROLLMENT_FAILED,
                f"unknown device type {request.device_type!r:.80}; known: {', '.join(sorted(known))}",
            )
        offered = set(request.capabilities)
        if unknown := sorted(offered - KNOWN_CAPABILITIES):
            raise PeerRefused(
                ErrorCode.UNSUPPORTED_CAPABILITY,
                f"unknown capabilities {', '.join(unknown):.200}; known: {', '.join(sorted(KNOWN_CAPABILITIES))}",
            )
        if missing := sorted(REQUIRED_CAPABILITIES - offered):
            raise PeerRefused(ErrorCode.UNSUPPORTED_CAPABILITY, f"missing capabilities: {', '.join(missing)}")

    def check_nonce(self, name: str, request: EnrollmentRequest) -> None:
        """Refuse a request that was received before."""
        if not self._nonces.is_fresh(name, request.nonce):
            raise PeerRefused(ErrorCode.REPLAYED_MESSAGE, "this enrollment request was received before")

    def check_key(self, device: Device | None, public_key: bytes) -> None:
        """Refuse a key (SubjectPublicKeyInfo, DER) other than the one with which ``device`` was registered. A Device
        that was made for a board has none until the board enrolls."""
        if device is None or device.awaits_board:
            return
        if device.spec.public_key != b64encode(public_key).decode():
            raise certificate_invalid(f"device {device.name} is registered with another key")

    def claim(self, session: Session, name: str) -> None:
        """Give the device name ``name`` to ``session``, or refuse it: see :meth:`Sessions.claim`."""
        self._sessions.claim(session, name, self._retry_after(name))

    def retry(self, reason: str) -> PeerRefused:
        """Return a refusal for a device that is not at fault: it may retry."""
        return try_again(reason, self._sessions.retry_after())

    def _retry_after(self, name: str) -> float:
        """Return the seconds until a present session of ``name`` would time out, at most one heartbeat interval."""
        session = self._sessions.get(name)
        if session is None:
            return self._sessions.retry_after()
        left = session.heard_at + session.interval * self._settings.missed_heartbeats - self._clock.now()
        return max(min(left, session.interval), 1.0)
