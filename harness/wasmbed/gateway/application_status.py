"""The reports of devices on their applications, written to ``status.deviceStatuses`` of the Application."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import deque
from typing import Any

from harness.core.clock import Clock
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_writer import StatusWriter
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    Heartbeat,
    Publication,
    RuntimeFault,
    StopResult,
)
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["OUTPUTS", "OVER", "ApplicationRecord", "ApplicationStatusWriter", "is_name"]

OUTPUTS = 20
"""The number of latest publications that the status keeps."""

HOLDING = (ApplicationState.DEPLOYED, ApplicationState.RUNNING)
"""The states in which a device has the application, as it was deployed."""

OVER = (ApplicationState.STOPPED, ApplicationState.FAILED)
"""The states in which a device does not have the application."""

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def is_name(text: str) -> bool:
    """Whether a resource can have this name (RFC 1123 subdomain)."""
    return _NAME.fullmatch(text) is not None


class ApplicationRecord:
    """The gateway's knowledge of one application on one device."""

    __slots__ = ("generation", "is_overwritten", "orphan", "output", "request", "state")

    def __init__(self) -> None:
        self.state: ApplicationState | None = None
        self.is_overwritten = False
        """Whether another party judged the device meanwhile: its next heartbeat is written, changed or not."""
        self.generation: int | None = None
        self.request: bytes | None = None
        """The digest of the latest deployment that was sent in this session."""
        self.output: deque[dict[str, str]] | None = None
        self.orphan = False
        """The Application does not exist and the device was asked to stop it: nothing of it is written."""


class ApplicationStatusWriter:
    """Writes changes of state at once, and metrics and outputs once per status interval."""

    def __init__(self, settings: GatewaySettings, clock: Clock, writer: StatusWriter) -> None:
        self._settings, self._clock, self._writer = settings, clock, writer

    def begin(self, session: Session, application: str, request: DeploymentRequest) -> None:
        """Note that a deployment begins; earlier output and metrics are dropped."""
        record = self._record(session, application)
        record.generation, record.request = request.generation, request.digest
        record.output, record.orphan = None, False
        self._change(session, application, record, ApplicationState.RECEIVING, output=[], metrics=None)

    def confirm(self, session: Session, application: str, request: DeploymentRequest) -> bool:
        """Whether the device has just what the request asks for, sent in this session; then its state is written
        again."""
        record = session.find_application(application)
        if record is None or record.state not in HOLDING or record.request != request.digest:
            return False
        output: dict[str, Any] = {"output": list(record.output)} if record.output else {}
        self._change(session, application, record, record.state, **output)
        return True

    def failed(self, session: Session, application: str, generation: int | None, code: str, reason: str) -> None:
        """Note that a deployment failed, at the gateway or on the device."""
        record = self._record(session, application)
        record.generation = generation
        self._change(session, application, record, ApplicationState.FAILED, code=code, error=reason)

    def deployed(self, session: Session, result: DeploymentResult) -> None:
        """Take over the device's result of a deployment."""
        record = self._record(session, result.application_id)
        metrics = dict(result.metrics)
        if result.ok:
            self._change(session, result.application_id, record, ApplicationState.DEPLOYED, metrics=metrics)
        else:
            code, error = result.code or "DEPLOYMENT_FAILED", result.error or "the device gave no reason"
            state = ApplicationState.FAILED
            self._change(session, result.application_id, record, state, code=code, error=error, metrics=metrics)

    def status(self, session: Session, status: ApplicationStatus) -> None:
        """Take over a state, metrics, and publications."""
        record = self._record(session, status.application_id)
        more: dict[str, Any] = {"metrics": dict(status.metrics)}
        if status.publications:
            record.output = record.output or deque(maxlen=OUTPUTS)
            record.output.extend(map(_output, status.publications))
            more["output"] = list(record.output)
        if status.error is not None or status.state is not record.state or record.is_overwritten:
            self._change(session, status.application_id, record, status.state, error=status.error, **more)
        else:
            self._write(session, status.application_id, record, more, after=self._settings.status_interval)

    def fault(self, session: Session, fault: RuntimeFault) -> None:
        """Note that a call into the module failed."""
        record = self._record(session, fault.application_id)
        error = "\n    ".join((fault.message, *fault.backtrace))
        state, metrics = ApplicationState.ERROR, dict(fault.resource_use)
        self._change(session, fault.application_id, record, state, code=fault.code, error=error, metrics=metrics)

    def stopped(self, session: Session, result: StopResult) -> None:
        """Take over the device's result of a stop."""
        record = self._record(session, result.application_id)
        if result.ok:
            self._change(session, result.application_id, record, ApplicationState.STOPPED)
            if not record.orphan:
                session.remove_application(result.application_id)
        else:
            self.not_stopped(session, result.application_id, "STOP_FAILED", result.error or "the device gave no reason")

    def not_stopped(self, session: Session, application: str, code: str, reason: str) -> None:
        """Note that a stop failed; it is unknown whether the application runs."""
        record = self._record(session, application)
        if record.orphan and code == "TIMEOUT":
            record.orphan, record.state = False, None  # it is stopped again when the device reports it again
            return
        self._change(session, application, record, ApplicationState.ERROR, code=code, error=reason)

    def heartbeat(self, session: Session, heartbeat: Heartbeat) -> None:
        """Take over states that differ from the known ones: changes without a link, or without another report.

        While a deployment or a stop is under way its outcome counts, and a failed deployment stays failed.
        """
        queue = session.queue
        for application, state in heartbeat.applications.items():
            record = self._record(session, application)
            is_known = state is record.state and not record.is_overwritten
            if is_known or record.state is ApplicationState.FAILED:
                continue
            if queue is not None and queue.is_dealing_with(application):
                continue
            record.state, record.is_overwritten = state, False
            healthy = state not in (ApplicationState.ERROR, ApplicationState.FAILED)
            entry = {"state": state.value, "code": None, "error": None} if healthy else {"state": state.value}
            self._write(session, application, record, entry)

    def _record(self, session: Session, application: str) -> ApplicationRecord:
        record = session.find_application(application)
        if record is None:
            if not is_name(application):
                raise ProtocolError(f"{application!r:.80} is not the name of an application")
            is_full = len(session.applications or ()) >= self._settings.device_applications
            if is_full and not self._forget_one(session):
                raise ProtocolError(f"more than {self._settings.device_applications} applications on one device")
            record = ApplicationRecord()
            session.add_application(application, record)
        return record

    def _forget_one(self, session: Session) -> bool:
        """Forget the application that ended first of those that the device does not have any more, if there is one."""
        for name, record in (session.applications or {}).items():
            if record.state in OVER and (session.queue is None or not session.queue.is_dealing_with(name)):
                session.remove_application(name)
                return True
        return False

    def _change(
        self,
        session: Session,
        application: str,
        record: ApplicationRecord,
        state: ApplicationState,
        *,
        code: str | None = None,
        error: str | None = None,
        **more: Any,
    ) -> None:
        record.state, record.is_overwritten = state, False
        self._write(session, application, record, {"state": state.value, "code": code, "error": error, **more})

    def _write(
        self, session: Session, application: str, record: ApplicationRecord, entry: dict[str, Any], after: float = 0.0
    ) -> None:
        if record.orphan:
            return
        entry["updated"] = format_timestamp(self._clock.now())
        if record.generation is not None:
            entry["generation"] = record.generation
        self._writer.put(APPLICATION, application, {"deviceStatuses": {session.name: entry}}, after=after)


def _output(publication: Publication) -> dict[str, str]:
    try:
        return {"topic": publication.topic, "payload": publication.payload.decode(), "encoding": "text"}
    except UnicodeDecodeError:
        payload = b64encode(publication.payload).decode()
        return {"topic": publication.topic, "payload": payload, "encoding": "base64"}
