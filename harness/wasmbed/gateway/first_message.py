"""The first message of a session, which decides whether its device is admitted.

It is an enrollment, a pairing, or the heartbeat of a device that enrolled earlier and was not rebooted since. The
answer to an enrollment names the device's home, which may be another gateway; one that resumes is served here, wherever
its home is.
"""

from __future__ import annotations

from harness.core.clock import Clock
from harness.wasmbed.gateway.admission_checks import AdmissionChecks
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.enrollment import Enrollment
from harness.wasmbed.gateway.enrollment_places import EnrollmentPlaces
from harness.wasmbed.gateway.gateway_address import GatewayAddress
from harness.wasmbed.gateway.heartbeats import HeartbeatMonitor
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.neighbours import Neighbours
from harness.wasmbed.gateway.pairing import Pairing
from harness.wasmbed.gateway.placement import Candidate
from harness.wasmbed.gateway.refusals import PeerRefused, certificate_invalid, suspended, unexpected
from harness.wasmbed.gateway.session import Session, SessionState
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.certificates import CertificateManager, PeerCertificate
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import (
    DeviceMessage,
    EnrollmentRequest,
    EnrollmentResponse,
    ErrorCode,
    Heartbeat,
)
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.phases import AWAY_PHASES, DevicePhase
from harness.wasmbed.resources.views import Device

__all__ = ["FirstMessageHandler"]

_KNOWN_PHASES = frozenset({DevicePhase.ENROLLED, DevicePhase.CONNECTED, *AWAY_PHASES})
"""The phases from which a device may come back without enrolling."""


class FirstMessageHandler:
    """Admits devices. Enrollments and pairings take ``places``; ``address`` is sent to a device that pairs."""

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        certificates: CertificateManager,
        cache: DeviceCache,
        sessions: Sessions,
        checks: AdmissionChecks,
        places: EnrollmentPlaces,
        enrollment: Enrollment,
        pairing: Pairing,
        monitor: HeartbeatMonitor,
        metrics: Metrics,
        address: GatewayAddress,
        neighbours: Neighbours,
    ) -> None:
        self._settings, self._clock, self._neighbours = settings, clock, neighbours
        self._certificates, self._cache, self._sessions = certificates, cache, sessions
        self._checks, self._places, self._enrollment, self._pairing = checks, places, enrollment, pairing
        self._monitor, self._metrics, self._address = monitor, metrics, address

    async def handle(self, session: Session, message_id: int, message: DeviceMessage) -> None:
        """Admit the device or raise :class:`PeerRefused`. An accepted heartbeat still has to be processed as such."""
        self._sessions.check_open()
        session.stop_timer()
        certificate = session.link.peer_certificate
        if session.anonymous or certificate is None:
            if not isinstance(message, EnrollmentRequest):
                reason = "a device without a certificate may only send an enrollment request"
                raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, reason)
            await self._pair(session, message_id, message)
            return
        try:
            peer = self._certificates.check(certificate)
        except CertificateInvalid as error:
            raise certificate_invalid(error.reason) from error
        if isinstance(message, EnrollmentRequest):
            await self._enroll(session, peer, message_id, message)
        elif isinstance(message, Heartbeat):
            await self._resume(session, peer, message)
        else:
            raise unexpected(message)

    async def _pair(self, session: Session, message_id: int, request: EnrollmentRequest) -> None:
        try:
            async with self._places.take(session):
                device_id, certificate = await self._pairing.pair(session, request)
        except PeerRefused as refused:
            self._metrics.enrollment(refused.error.code)
            raise
        _check_wanted(session)
        here = Candidate(self._settings.name, self._address.advertised)
        session.link.send(self._response(device_id, here, self._settings.heartbeat_interval, certificate), message_id)
        self._metrics.enrollment("paired")
        session.begin_closing()
        self._sessions.release(session)

    async def _enroll(
        self, session: Session, peer: PeerCertificate, message_id: int, request: EnrollmentRequest
    ) -> None:
        session.begin_enrollment(self._settings.heartbeat_interval)
        try:
            self._check_not_suspended(self._cache.get(peer.name))
            self._neighbours.home(peer.name)  # it is refused before anything is written
            async with self._places.take(session):
                device_id = await self._enrollment.enroll(session, peer, request)
                self._sessions.check_open()  # it may shut down since
                _check_wanted(session)
                home = self._neighbours.home(peer.name)
        except PeerRefused as refused:
            self._metrics.enrollment(refused.error.code)
            raise
        session.link.send(self._response(device_id, home, session.interval), message_id)
        self._metrics.enrollment("ok")
        session.complete_enrollment(device_id)
        self._monitor.watch(session)
        if home.name != self._settings.name:
            session.hand_over()

    async def _resume(self, session: Session, peer: PeerCertificate, heartbeat: Heartbeat) -> None:
        """Admit a device that enrolled on an earlier link, here or at another gateway."""
        device = self._cache.get(peer.name)
        if not _is_known(device, heartbeat.device_id):
            device = await self._read(peer.name)
            _check_wanted(session)
        if device is None or not _is_known(device, heartbeat.device_id):
            raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, "unknown device id: enroll again", closes=False)
        self._checks.check_key(device, peer.public_key)
        self._check_not_suspended(device)
        if self._sessions.others(peer.name) >= self._sessions.most:
            raise self._sessions.full()
        self._checks.claim(session, peer.name)
        told = device.status.heartbeat_interval_milliseconds
        session.resume(heartbeat.device_id, told / 1000 if told else self._settings.heartbeat_interval)
        self._monitor.watch(session)

    def _check_not_suspended(self, device: Device | None) -> None:
        if device is not None and device.spec.suspended:
            raise suspended(device.name, self._sessions.retry_after())

    async def _read(self, name: str) -> Device | None:
        """Return the Device from the API server: it may have enrolled at another gateway a moment ago."""
        try:
            async with self._clock.deadline(self._settings.api_timeout):
                return await self._cache.read(name)
        except (OSError, ApiError):
            return None

    def _response(
        self, device_id: str, home: Candidate, interval: float, certificate: bytes | None = None
    ) -> EnrollmentResponse:
        reassigned = True if home.name != self._settings.name else None
        return EnrollmentResponse(device_id, home.name, home.endpoint, round(interval * 1000), certificate, reassigned)


def _is_known(device: Device | None, device_id: str) -> bool:
    return device is not None and device.status.phase in _KNOWN_PHASES and device.status.device_id == device_id


def _check_wanted(session: Session) -> None:
    """Raise :class:`LinkClosed` if the session was dismissed while its device enrolled: that was the last word."""
    if session.state is SessionState.CLOSING:
        raise LinkClosed("the session was dismissed while its device enrolled", by_peer=False)
