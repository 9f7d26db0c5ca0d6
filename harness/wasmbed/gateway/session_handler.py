"""What a session does with each message: who may say what when, and who answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.core.places import Places
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.application_status import ApplicationStatusWriter
from harness.wasmbed.gateway.bounds import check_bounds
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.device_queue import DeviceQueues
from harness.wasmbed.gateway.device_status import DeviceStatusWriter
from harness.wasmbed.gateway.enrollment import Enrollment
from harness.wasmbed.gateway.heartbeats import HeartbeatMonitor
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.pairing import Pairing
from harness.wasmbed.gateway.refusals import PeerRefused, certificate_invalid, try_again
from harness.wasmbed.gateway.sessions import Session, Sessions, SessionState
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_queries import StatusQueries
from harness.wasmbed.pki.certificates import CertificateManager, PeerCertificate
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import (
    CANCELLED,
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    DeviceMessage,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Error,
    ErrorCode,
    Heartbeat,
    RuntimeFault,
    StopResult,
)
from harness.wasmbed.resources.phases import DevicePhase

__all__ = ["SessionHandler"]

log = get_log(__name__)

_KNOWN_PHASES = frozenset({DevicePhase.ENROLLED, DevicePhase.CONNECTED, DevicePhase.DISCONNECTED})
"""The phases from which a device may come back without enrolling."""


class SessionHandler:
    """The gateway's side of every session. Enrollments take ``places``; ``endpoint`` is sent to devices."""

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        places: Places,
        certificates: CertificateManager,
        cache: DeviceCache,
        sessions: Sessions,
        enrollment: Enrollment,
        pairing: Pairing,
        monitor: HeartbeatMonitor,
        records: DeviceStatusWriter,
        reports: ApplicationStatusWriter,
        work: DeviceQueues,
        queries: StatusQueries,
        metrics: Metrics,
        endpoint: Callable[[], str],
    ) -> None:
        self._settings, self._clock, self._places, self._certificates = settings, clock, places, certificates
        self._log = SummedLog(log, clock)
        self._cache, self._sessions, self._enrollment, self._pairing = cache, sessions, enrollment, pairing
        self._monitor, self._device_status, self._application_status, self._queues = monitor, records, reports, work
        self._queries, self._metrics, self._endpoint = queries, metrics, endpoint

    def close_log(self) -> None:
        """Write the log lines that were counted and not yet written."""
        self._log.close()

    async def handle(self, session: Session, message_id: int, message: DeviceMessage) -> None:
        """Deal with one message. Raises :class:`PeerRefused` to answer with an error."""
        self._metrics.message(type(message))
        if session.state is SessionState.CLOSING:
            return
        check_bounds(message, session.metric_names)
        if session.state is SessionState.OPENED:
            await self._begin(session, message_id, message)
        elif isinstance(message, Heartbeat):
            self._heartbeat(session, message_id, message)
        elif isinstance(message, EnrollmentRequest):
            self._enrollment.check_nonce(session.name, message)
            raise PeerRefused(ErrorCode.DUPLICATE_DEVICE, f"device {session.name} is enrolled already", closes=False)
        elif isinstance(message, EnrollmentAcknowledgment):
            self._check_id(session, message.device_id)
        elif session.state is SessionState.CONNECTED:
            self._report(session, message_id, message)
        else:
            raise _unexpected(message)

    async def _begin(self, session: Session, message_id: int, message: DeviceMessage) -> None:
        self._sessions.check_open()
        session.stop_timer()
        certificate = session.link.peer_certificate
        if session.anonymous or certificate is None:
            if not isinstance(message, EnrollmentRequest):
                raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, "without a certificate a device may only ask for one")
            await self._pair(session, message_id, message)
            return
        try:
            peer = self._certificates.check(certificate)
        except CertificateInvalid as error:
            raise certificate_invalid(error.reason) from error
        if isinstance(message, EnrollmentRequest):
            await self._enroll(session, peer, message_id, message)
        elif isinstance(message, Heartbeat):
            self._return(session, peer, message_id, message)
        else:
            raise _unexpected(message)

    async def _pair(self, session: Session, message_id: int, request: EnrollmentRequest) -> None:
        try:
            async with self._place(session):
                device_id, certificate = await self._pairing.pair(session, request)
        except PeerRefused as refused:
            self._metrics.enrollment(refused.error.code)
            raise
        self._metrics.enrollment("paired")
        session.link.send(self._response(device_id, certificate), message_id)
        session.state = SessionState.CLOSING
        self._sessions.release(session)

    async def _enroll(
        self, session: Session, peer: PeerCertificate, message_id: int, request: EnrollmentRequest
    ) -> None:
        session.state = SessionState.ENROLLING
        try:
            async with self._place(session):
                session.device_id = await self._enrollment.enroll(session, peer, request)
        except PeerRefused as refused:
            self._metrics.enrollment(refused.error.code)
            raise
        self._metrics.enrollment("ok")
        session.link.send(self._response(session.device_id), message_id)
        session.state = SessionState.ENROLLED
        session.enrolled = True
        self._monitor.watch(session)

    @asynccontextmanager
    async def _place(self, session: Session) -> AsyncIterator[None]:
        """A place among the enrollments under way, in the order in which they were asked for.

        Raises :class:`PeerRefused` when there was none in time, :class:`LinkClosed` when the device has left meanwhile.
        """
        try:
            async with self._clock.deadline(self._settings.enrollment_wait):
                place = await self._places.take()
        except TimeoutError as error:
            raise try_again("too many devices are enrolling", self._sessions.retry_after()) from error
        began = self._clock.now()
        try:
            if session.link.closed:
                raise LinkClosed("the device left before its enrollment began", by_peer=True)
            yield
        finally:
            took = self._clock.now() - began
            self._places.give_back(place, in_time=took < self._settings.enrollment_timeout)

    def _return(self, session: Session, peer: PeerCertificate, message_id: int, heartbeat: Heartbeat) -> None:
        """A device that was here before, or at another gateway, and was not rebooted since."""
        device = self._cache.get(peer.name)
        known = device is not None and device.status.phase in _KNOWN_PHASES
        if device is None or not known or device.status.device_id != heartbeat.device_id:
            raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, "unknown device id: enroll again", closes=False)
        self._enrollment.check_key(device, peer.public_key)
        self._enrollment.claim(session, peer.name)
        session.device_id = heartbeat.device_id
        session.state = SessionState.ENROLLED
        self._monitor.watch(session)
        self._heartbeat(session, message_id, heartbeat)

    def _heartbeat(self, session: Session, message_id: int, heartbeat: Heartbeat) -> None:
        self._check_fresh(session, message_id)
        self._check_id(session, heartbeat.device_id)
        self._monitor.accept(session, heartbeat, message_id)
        session.errors = 0
        if session.state is SessionState.CONNECTED:
            self._device_status.heartbeat(session)
        else:
            session.state = SessionState.CONNECTED
            session.connected_since = session.heard_at
            session.on_record = True
            self._device_status.connected(session)
            if session.enrolled:
                session.link.send(DeviceInfoRequest())
        if heartbeat.applications:
            self._application_status.heartbeat(session, heartbeat)

    def _report(self, session: Session, message_id: int, message: DeviceMessage) -> None:
        expected = self._queues.feed(session, message_id, message)
        match message:
            case ApplicationStatus():
                answers = self._queries.feed(session, message_id, message)
                if not answers or message.state is not ApplicationState.STOPPED:
                    self._application_status.status(session, message)
            case DeploymentResult():
                # One that came late still counts, unless something newer is under way or it was cancelled.
                late = message.code == CANCELLED or self._queues.is_about(session, message.application_id)
                if expected or not late:
                    self._application_status.deployed(session, message)
            case StopResult():
                self._application_status.stopped(session, message)
            case DeviceInfo():
                self._device_status.informed(session, message)
            case RuntimeFault():
                self._check_fresh(session, message_id)
                self._application_status.fault(session, message)
            case Error() if not expected:
                self._log.warning("device %s: error %s: %s", session.name, message.code, message.message)

    def _check_id(self, session: Session, device_id: str) -> None:
        if device_id != session.device_id:
            raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, "the device id is not the one this session was given")

    @staticmethod
    def _check_fresh(session: Session, message_id: int) -> None:
        if not session.recent_ids.is_fresh(message_id):
            raise PeerRefused(ErrorCode.REPLAYED_MESSAGE, f"message {message_id} was received before", closes=False)

    def _response(self, device_id: str, certificate: bytes | None = None) -> EnrollmentResponse:
        interval = int(self._settings.heartbeat_interval * 1000)
        return EnrollmentResponse(device_id, self._settings.name, self._endpoint(), interval, certificate)


def _unexpected(message: DeviceMessage) -> PeerRefused:
    return PeerRefused(ErrorCode.PROTOCOL_ERROR, f"{type(message).__name__} was not expected now")
