"""The messages of a session: which are allowed at its present stage, and which part of the gateway answers each."""

from __future__ import annotations

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.admission_checks import AdmissionChecks
from harness.wasmbed.gateway.application_status import ApplicationStatusWriter
from harness.wasmbed.gateway.bounds import check_bounds
from harness.wasmbed.gateway.device_queue import DeviceQueues
from harness.wasmbed.gateway.device_status import DeviceStatusWriter
from harness.wasmbed.gateway.first_message import FirstMessageHandler
from harness.wasmbed.gateway.heartbeats import HeartbeatMonitor
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.refusals import PeerRefused, unexpected
from harness.wasmbed.gateway.session import Session, SessionState
from harness.wasmbed.gateway.status_queries import StatusQueries
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
    Error,
    ErrorCode,
    Heartbeat,
    RuntimeFault,
    StopResult,
)

__all__ = ["SessionHandler"]

log = get_log(__name__)


class SessionHandler:
    """The gateway's side of every session."""

    def __init__(
        self,
        clock: Clock,
        first_message: FirstMessageHandler,
        checks: AdmissionChecks,
        monitor: HeartbeatMonitor,
        device_status: DeviceStatusWriter,
        application_status: ApplicationStatusWriter,
        queues: DeviceQueues,
        queries: StatusQueries,
        metrics: Metrics,
    ) -> None:
        self._log = SummedLog(log, clock)
        self._first_message, self._checks, self._monitor = first_message, checks, monitor
        self._device_status, self._application_status = device_status, application_status
        self._queues, self._queries, self._metrics = queues, queries, metrics

    def close_log(self) -> None:
        """Write the log lines that were counted and not yet written."""
        self._log.close()

    async def handle(self, session: Session, message_id: int, message: DeviceMessage) -> None:
        """Process one message. Raises :class:`PeerRefused` if the answer is an error."""
        self._metrics.message(type(message))
        if session.state is SessionState.CLOSING:
            return
        check_bounds(message, session.metric_names)
        if session.state is SessionState.OPENED:
            await self._first_message.handle(session, message_id, message)
            if isinstance(message, Heartbeat):
                self._heartbeat(session, message_id, message)
        elif isinstance(message, Heartbeat):
            self._heartbeat(session, message_id, message)
        elif isinstance(message, EnrollmentRequest):
            self._checks.check_nonce(session.name, message)
            raise PeerRefused(ErrorCode.DUPLICATE_DEVICE, f"device {session.name} is enrolled already", closes=False)
        elif isinstance(message, EnrollmentAcknowledgment):
            self._check_id(session, message.device_id)
        elif session.state is SessionState.CONNECTED:
            self._report(session, message_id, message)
        else:
            raise unexpected(message)

    def _heartbeat(self, session: Session, message_id: int, heartbeat: Heartbeat) -> None:
        self._check_fresh(session, message_id)
        self._check_id(session, heartbeat.device_id)
        before = session.heartbeat
        self._monitor.accept(session, heartbeat, message_id)
        session.clear_errors()
        if before is not None:
            self._device_status.heartbeat(session, before, heartbeat)
        else:
            session.connect()
            self._device_status.connected(session)
            if session.enrolled:
                session.link.send(DeviceInfoRequest())
        if heartbeat.applications:
            self._application_status.heartbeat(session, heartbeat)

    def _report(self, session: Session, message_id: int, message: DeviceMessage) -> None:
        """Process a connected device's report on its applications or on itself."""
        expected = self._queues.feed(session, message_id, message)
        match message:
            case ApplicationStatus():
                answers = self._queries.feed(session, message_id, message)
                if not answers or message.state is not ApplicationState.STOPPED:
                    self._application_status.status(session, message)
            case DeploymentResult():
                # A late result still counts, unless it was cancelled or newer work for the application is under way.
                superseded = message.code == CANCELLED or self._queues.is_about(session, message.application_id)
                if expected or not superseded:
                    self._application_status.deployed(session, message)
            case StopResult():
                if expected or not self._queues.is_about(session, message.application_id):
                    self._application_status.stopped(session, message)
            case DeviceInfo():
                self._device_status.informed(session, message)
            case RuntimeFault():
                self._check_fresh(session, message_id)
                self._application_status.fault(session, message)
            case Error() if not expected:
                self._log.warning("device %s: error %s: %s", session.name, message.code, message.message)

    @staticmethod
    def _check_id(session: Session, device_id: str) -> None:
        if device_id != session.device_id:
            raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, "the device id is not the one that this session was given")

    @staticmethod
    def _check_fresh(session: Session, message_id: int) -> None:
        if not session.recent_ids.is_fresh(message_id):
            raise PeerRefused(ErrorCode.REPLAYED_MESSAGE, f"message {message_id} was received before", closes=False)
