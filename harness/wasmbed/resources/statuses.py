"""Statuses that the gateway and the controllers write alike."""

from __future__ import annotations

from typing import Any

from harness.wasmbed.resources.phases import DevicePhase

__all__ = ["CONNECTION_LOST", "disconnected_status"]

CONNECTION_LOST = "Connection lost"


def disconnected_status() -> dict[str, Any]:
    """Return the status of a device without a link: the gateway writes it, and the device controller for a gateway
    that is Offline."""
    return {
        "phase": DevicePhase.DISCONNECTED.value,
        "connectedSince": None,
        "lastHeartbeat": None,
        "deviceStatus": "Stopped",
        "health": "unknown",
        "error": CONNECTION_LOST,
    }
