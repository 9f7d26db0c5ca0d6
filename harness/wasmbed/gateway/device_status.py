"""What the gateway writes about a device, from the enrollment on: the Device and its status."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from harness.core.clock import Clock
from harness.wasmbed.gateway.application_status import is_name
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.sessions import Session, Sessions, SessionState
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_writer import StatusWriter
from harness.wasmbed.protocol.messages import DeviceInfo, EnrollmentRequest, Heartbeat
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import DevicePhase as _Phase
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["CONNECTION_LOST", "DeviceStatusWriter", "device_spec", "intermediate_step"]

CONNECTION_LOST = "Connection lost"
_LINKED = frozenset({_Phase.ENROLLING, _Phase.ENROLLED, _Phase.CONNECTED})
"""The phases of a device that has a link."""


class DeviceStatusWriter:
    """Turns what happens to sessions into status writes."""

    def __init__(self, settings: GatewaySettings, clock: Clock, writer: StatusWriter, cache: DeviceCache) -> None:
        self._settings, self._clock, self._writer, self._cache = settings, clock, writer, cache

    async def enrolling(self, name: str, device_id: str) -> None:
        """Write phase Enrolling and wait for it; raises as :meth:`StatusWriter.write` does."""
        await self._writer.write(DEVICE, name, self._enrolling(device_id))

    def began_to_enroll(self, name: str, device_id: str) -> None:
        """Write it whenever that is possible, if the device exists: so none stays Pending that was given up."""
        self._writer.put(DEVICE, name, self._enrolling(device_id))

    def connected(self, session: Session) -> None:
        """The first heartbeat has come, or the record says otherwise although the session lives."""
        status = {
            "phase": _Phase.CONNECTED.value,
            "gateway": self._settings.name,
            "connectedSince": format_timestamp(session.connected_since),
            "error": None,
            **self._vital_signs(session),
        }
        session.written_at = self._clock.now()
        self._writer.put(DEVICE, session.name, status)

    def heartbeat(self, session: Session) -> None:
        """A further heartbeat: written now, or with others at the end of the status interval."""
        now = self._clock.now()
        if session.written_at <= now:
            session.written_at = max(now, session.written_at + self._settings.status_interval)
        self._writer.put(DEVICE, session.name, self._vital_signs(session), after=session.written_at - now)

    def informed(self, session: Session, information: DeviceInfo) -> None:
        """What the device says of its hardware and runtime: written with its next heartbeats if it is news."""
        said = {
            "memory": information.memory,
            "architecture": information.architecture,
            "runtimeFeatures": sorted(set(information.runtime_features)),
            "largestModule": information.largest_module,
        }
        device = self._cache.get(session.name)
        if device is None or device.status.device_info != said:
            status = {**self._vital_signs(session), "deviceInfo": said}
            self._writer.put(DEVICE, session.name, status, after=self._settings.status_interval)

    def disconnected(self, name: str, error: str = CONNECTION_LOST) -> None:
        """The link is gone."""
        self._writer.put(DEVICE, name, _disconnected(error))

    def compare(self, sessions: Sessions) -> None:
        """Write where the record and the living ``sessions`` disagree.

        So it is after a restart, and when somebody else judged this gateway dead although it was only unreachable.
        What became of applications meanwhile is found out with the next heartbeats. A device whose next phase is
        being written is left out: its record is about to change.
        """
        for device in self._cache:
            if self._writer.is_moving(DEVICE, device.name):
                continue
            session, phase = sessions.get(device.name), device.status.phase
            if session is not None:
                if session.state is SessionState.CONNECTED and phase in (_Phase.DISCONNECTED, _Phase.ENROLLED):
                    self.connected(session)
                    session.forget_states()
            elif phase in _LINKED and device.status.gateway == self._settings.name:
                self.disconnected(device.name)

    def _enrolling(self, device_id: str) -> dict[str, Any]:
        return {
            "phase": _Phase.ENROLLING.value,
            "deviceId": device_id,
            "gateway": self._settings.name,
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


def intermediate_step(resource: Resource, phase: str) -> dict[str, Any] | None:
    """A device that enrolls anew, or is back, while it is on record as here was disconnected in between."""
    return _disconnected(CONNECTION_LOST) if resource == DEVICE and phase != _Phase.DISCONNECTED else None


def device_spec(request: EnrollmentRequest) -> Object:
    """A Device's spec: what it said of itself."""
    spec: Object = {
        "publicKey": b64encode(request.public_key).decode(),
        "deviceType": request.device_type,
        "mcuType": request.mcu_type,
        "architecture": request.architecture,
        "capabilities": list(dict.fromkeys(request.capabilities)),
        "firmwareVersion": request.firmware_version,
    }
    if request.largest_module is not None:
        spec["largestModule"] = request.largest_module
    return spec


def _disconnected(error: str) -> dict[str, Any]:
    return {
        "phase": _Phase.DISCONNECTED.value,
        "connectedSince": None,
        "lastHeartbeat": None,
        "deviceStatus": "Stopped",
        "health": "unknown",
        "error": error,
    }


def _health(heartbeat: Heartbeat) -> str:
    return "healthy" if heartbeat.status == "running" and heartbeat.runtime_status != "unavailable" else "degraded"
