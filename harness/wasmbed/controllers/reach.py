"""Status entries of devices that went out of reach, and of devices that came back.

A device without a link reports nothing, so the state of an application there is ``unknown``, with the time and reason.
When the device is back, its first heartbeat names the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.device_state import HOLDING, enrolled_since, reported_state
from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.timestamps import format_timestamp
from harness.wasmbed.resources.views import UNKNOWN, Application, DeviceEntry

__all__ = ["corrections", "out_of_reach"]


def corrections(application: Application, device_index: DeviceIndex, now: float) -> dict[str, dict[str, Any]]:
    """Return patches, by device, of the entries whose state no longer matches the device's reachability."""
    found = {}
    for name, entry in application.status.device_statuses.items():
        change = _correction(application.name, device_index, name, entry, now)
        if change is not None:
            found[name] = {"code": None, **change, "updated": format_timestamp(now)}
    return found


def out_of_reach(application: Application, but: Mapping[str, object]) -> int:
    """Return the number of devices, without those in ``but``, that are out of reach and may run the application."""
    entries = application.status.device_statuses.items()
    return sum(entry.state == UNKNOWN and name not in but for name, entry in entries)


def _correction(
    application: str, device_index: DeviceIndex, name: str, entry: DeviceEntry, now: float
) -> dict[str, str | None] | None:
    device = device_index.device(name)
    away = device_index.why_away(device) if device is not None else "the device does not exist"
    if device is None or away:
        if entry.state not in HOLDING:
            return None
        since = format_timestamp(now).partition(".")[0] + "Z"
        return {"state": UNKNOWN, "error": f"out of reach since {since}: {away}"}
    if entry.state != UNKNOWN:
        return None
    reported = reported_state(device, application)
    if reported is None and enrolled_since(device, entry.deployment):
        return {"state": ApplicationState.STOPPED.value, "error": None}
    return {"state": reported, "error": None} if reported is not None else None
