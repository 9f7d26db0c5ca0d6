"""Orphans: applications that a device has, running or failed, and that were deleted while it was out of reach.

The API server's answer to a status write shows that the Application does not exist. So orphans cost no extra request
and no watch, and an outdated copy cannot stop an application that was just created.
"""

from __future__ import annotations

from typing import Any

from harness.core.logs import get_log
from harness.wasmbed.gateway.application_status import OVER
from harness.wasmbed.gateway.device_queue import DeviceQueues, QueueFull
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION

__all__ = ["Orphans"]

log = get_log(__name__)


class Orphans:
    """Stops orphans, once per session."""

    def __init__(self, sessions: Sessions, queues: DeviceQueues) -> None:
        self._sessions, self._queues = sessions, queues

    def gone(self, resource: Resource, name: str, status: dict[str, Any]) -> None:
        """Stop what ``status`` reports on: its object does not exist."""
        if resource == APPLICATION:
            for device, entry in status.get("deviceStatuses", {}).items():
                self._stop(name, device, entry.get("state") == ApplicationState.RECEIVING)

    def _stop(self, application: str, device: str, receiving: bool) -> None:
        session = self._sessions.connected(device)
        record = session.find_application(application) if session is not None else None
        if session is None or record is None or record.orphan or record.state is None:
            return
        reported = session.heartbeat.applications.get(application) if session.heartbeat is not None else None
        if record.state in OVER and reported is not ApplicationState.FAILED:
            return  # a deployment that failed may have left nothing there
        if self._queues.is_about(session, application) and not receiving:
            return  # the unwritten report is older, and the application may be a new one of the same name
        try:
            self._queues.stop(session, application)
        except QueueFull:
            record.state = None  # the next heartbeat is written again, which leads here again
            return
        record.orphan = True
        log.warning("device %s: application %s does not exist: it is stopped", device, application)
