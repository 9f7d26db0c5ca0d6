"""Applications that run on a device and exist no more: deleted while the device was away, or without its controller.

The API server says so itself, when what a device reports is written down: so it costs no request and no watch of its
own, and a copy that lags behind cannot stop what was just made.
"""

from __future__ import annotations

from typing import Any

from harness.core.logs import get_log
from harness.wasmbed.gateway.device_queue import DeviceQueues, QueueFull
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION

__all__ = ["Orphans"]

log = get_log(__name__)

_OVER = frozenset({ApplicationState.STOPPED, ApplicationState.FAILED})


class Orphans:
    """Has them stopped, once in a session."""

    def __init__(self, sessions: Sessions, work: DeviceQueues) -> None:
        self._sessions, self._queues = sessions, work

    def gone(self, resource: Resource, name: str, status: dict[str, Any]) -> None:
        """There is no such object to write ``status`` to."""
        if resource == APPLICATION:
            for device, entry in status.get("deviceStatuses", {}).items():
                self._stop(name, device, entry.get("state") == ApplicationState.RECEIVING)

    def _stop(self, application: str, device: str, receiving: bool) -> None:
        session = self._sessions.connected(device)
        record = session.find_application(application) if session is not None else None
        if session is None or record is None or record.orphan or record.state is None or record.state in _OVER:
            return
        if self._queues.is_about(session, application) and not receiving:
            return  # what was not written is older, and the application may be a new one of the same name
        try:
            self._queues.stop(session, application)
        except QueueFull:
            record.state = None  # the next heartbeat is news again
            return
        record.orphan = True
        log.warning("device %s: application %s does not exist: it is stopped", device, application)
