"""The entries of devices that went out of reach, and of those that came back.

A device without a link reports nothing, so the state of an application there is ``unknown``: since when, and why.
When the device is back, the state that its first heartbeat names counts again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import HOLDING, enrolled_since
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import UNKNOWN, Application, DeviceEntry

__all__ = ["corrections", "out_of_reach"]


def corrections(application: Application, fleet: DeviceIndex, now: float) -> dict[str, dict[str, Any]]:
    """Patches of the entries whose state is not what can be known of it, by device."""
    found = {}
    for name, entry in application.status.device_statuses.items():
        change = _correction(application.name, fleet, name, entry, now)
        if change is not None:
            found[name] = {"code": None, **change, "updated": format_timestamp(now)}
    return found


def out_of_reach(application: Application, but: Mapping[str, object]) -> int:
    """On how many devices beside ``but`` the application may run, for all that can be known."""
    entries = application.status.device_statuses.items()
    return sum(entry.state == UNKNOWN and name not in but for name, entry in entries)


def _correction(
    application: str, fleet: DeviceIndex, name: str, entry: DeviceEntry, now: float
) -> dict[str, str | None] | None:
    device = fleet.device(name)
    away = fleet.why_away(device) if device is not None else "there is no such device"
    if device is None or away:
        if entry.state not in HOLDING:
            return None
        since = format_timestamp(now).partition(".")[0] + "Z"
        return {"state": UNKNOWN, "error": f"out of reach since {since}: {away}"}
    if entry.state != UNKNOWN:
        return None
    if enrolled_since(device, entry.deployment):
        return {"state": ApplicationState.STOPPED.value, "error": None}
    said = (device.status.applications or {}).get(application)
    return {"state": said, "error": None} if said is not None else None
