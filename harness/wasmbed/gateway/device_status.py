"""The gateway's writes to the status of Devices: enrollment, connection, heartbeats, and the end of a session."""

from __future__ import annotations

from typing import Any

from harness.core.clock import Clock
from harness.wasmbed.gateway.application_status import is_name
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.session import Session, SessionState
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_writer import StatusWriter
from harness.wasmbed.protocol.messages import DeviceInfo, Heartbeat
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import AWAY_PHASES, LINKED_PHASES, DevicePhase
from harness.wasmbed.resources.statuses import disconnected_status
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["DeviceStatusWriter"]


class DeviceStatusWriter:
    """Turns the events of sessions into status writes."""

    def __init__(self, settings: GatewaySettings, clock: Clock, writer: StatusWriter, cache: DeviceCache) -> None:
        self._settings, self._clock, self._writer, self._cache = settings, clock, writer, cache

    async def enrolling(self, session: Session, device_id: str) -> None:
        """Write phase Enrolling and wait for the answer. Raises what :meth:`StatusWriter.write` raises."""
        await self._writer.write(DEVICE, session.name, self._enrolling(session, device_id))

    def began_to_enroll(self, session: Session, device_id: str) -> None:
        """Write phase Enrolling as soon as possible, so that an abandoned enrollment does not stay Pending."""
        self._writer.put(DEVICE, session.name, self._enrolling(session, device_id))

    def connected(self, session: Session) -> None:
        """Write phase Connected: at the first heartbeat, or when the record of a live session says otherwise."""
        status = {
            "phase": DevicePhase.CONNECTED.value,
            "gateway": self._settings.name,
            "connectedSince": format_timestamp(session.connected_since),
            "error": None,
            **self._vital_signs(session),
        }
        session.mark_written(self._clock.now())
        self._writer.put(DEVICE, session.name, status)

    def heartbeat(self, session: Session, before: Heartbeat, latest: Heartbeat) -> None:
        """Write the ``latest`` heartbeat if it says something new, and otherwise if the last write was long ago.

        It is written now, or together with later ones at the end of the status interval. What a heartbeat says is
        compared with the one ``before``; times and metrics are new in each, and do not count.
        """
        now = self._clock.now()
        is_new = _said(latest) != _said(before)
        if is_new or now - session.written_at >= self._settings.heartbeat_write_interval:
            after = session.schedule_write(now, self._settings.status_interval)
            self._writer.put(DEVICE, session.name, lambda: self._vital_signs(session), after=after)

    def informed(self, session: Session, information: DeviceInfo) -> None:
        """Write a device's hardware and runtime with its next heartbeats, if they differ from the record."""
        reported = {
            "memory": information.memory,
            "architecture": information.architecture,
            "runtimeFeatures": sorted(set(information.runtime_features)),
            "largestModule": information.largest_module,
        }
        device = self._cache.get(session.name)
        if device is None or device.status.device_info != reported:
            status = {**self._vital_signs(session), "deviceInfo": reported}
            self._writer.put(DEVICE, session.name, status, after=self._settings.status_interval)

    def ended(self, session: Session) -> None:
        """Write that the device's link has ended, and what its last heartbeat said."""
        last = self._vital_signs(session) if session.heartbeat is not None else {}
        self._writer.put(DEVICE, session.name, {**last, **disconnected_status()})

    def compare(self, sessions: Sessions) -> None:
        """Write the Devices whose record disagrees with the live ``sessions``.

        They disagree after a restart, and after another party judged this gateway dead although it was only
        unreachable. The next heartbeats show what became of applications meanwhile. A device whose next phase is being
        written is skipped, because its record is about to change.
        """
        for device in self._cache:
            name, status = device.name, device.status
            session, phase = sessions.get(name), status.phase
            if session is not None:
                recorded_as_away = phase in (*AWAY_PHASES, DevicePhase.ENROLLED)
                if recorded_as_away and session.state is SessionState.CONNECTED and not self._is_moving(name):
                    self.connected(session)
                    session.forget_states()
            elif phase in LINKED_PHASES and status.gateway == self._settings.name and not self._is_moving(name):
                self._writer.put(DEVICE, name, disconnected_status())

    def _is_moving(self, name: str) -> bool:
        return self._writer.is_moving(DEVICE, name)

    def _enrolling(self, session: Session, device_id: str) -> dict[str, Any]:
        return {
            "phase": DevicePhase.ENROLLING.value,
            "deviceId": device_id,
            "gateway": self._settings.name,
            "heartbeatIntervalMilliseconds": max(1, round(1000 * session.interval)),
            "error": None,
        }

    def _vital_signs(self, session: Session) -> dict[str, Any]:
        heartbeat, device = session.heartbeat, self._cache.get(session.name)
        assert heartbeat is not None
        recorded = (device.status.device_metrics if device is not None else None) or {}
        return {
            "deviceStatus": heartbeat.status.capitalize(),
            "lastHeartbeat": format_timestamp(session.heard_at),
            "health": _health(heartbeat),
            "wasmRuntime": heartbeat.runtime_status,
            "deviceMetrics": {**dict.fromkeys(recorded.keys() - heartbeat.metrics.keys()), **heartbeat.metrics},
            "applications": [
                {"name": name, "state": state.value}
                for name, state in sorted(heartbeat.applications.items())
                if is_name(name)
            ],
        }


def _said(heartbeat: Heartbeat) -> tuple[object, ...]:
    return heartbeat.status, heartbeat.runtime_status, heartbeat.applications


def _health(heartbeat: Heartbeat) -> str:
    return "healthy" if heartbeat.status == "running" and heartbeat.runtime_status != "unavailable" else "degraded"
