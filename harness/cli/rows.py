"""Devices, Applications and Gateways as the rows that commands show: the shapes of :mod:`harness.cli.shapes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.wasmbed.resources.views import Application, Device, Gateway

if TYPE_CHECKING:
    from harness.cli.shapes import ApplicationRow, DeviceRow, EntryRow, GatewayRow
    from harness.wasmbed.resources.api import Object

__all__ = ["application_row", "device_row", "entry_rows", "gateway_row"]


def gateway_row(item: Object) -> GatewayRow:
    """The row of a Gateway."""
    gateway = Gateway(item)
    state = gateway.status
    return {
        "name": gateway.name,
        "phase": state.phase,
        "endpoint": gateway.spec.endpoint,
        "connectedDevices": state.connected_devices,
        "lastSeen": state.last_seen,
        "version": state.version,
        "error": state.error,
    }


def device_row(item: Object) -> DeviceRow:
    """The row of a Device."""
    device = Device(item)
    state = device.status
    return {
        "name": device.name,
        "phase": state.phase,
        "type": device.spec.device_type,
        "gateway": state.gateway,
        "health": state.health,
        "deviceStatus": state.device_status,
        "wasmRuntime": state.wasm_runtime,
        "connectedSince": state.connected_since,
        "lastHeartbeat": state.last_heartbeat,
        "labels": dict(device.labels),
        "error": state.error,
    }


def application_row(item: Object) -> ApplicationRow:
    """The row of an Application."""
    application = Application(item)
    state, numbers = application.status, application.status.statistics
    return {
        "name": application.name,
        "phase": state.phase,
        "target": numbers.target,
        "deployed": numbers.deployed,
        "running": numbers.running,
        "failed": numbers.failed,
        "unknown": numbers.unknown,
        "health": state.health,
        "lastUpdate": state.last_update,
        "error": state.error,
    }


def entry_rows(item: Object) -> list[EntryRow]:
    """A row for each device of an Application."""
    return [
        {
            "device": device,
            "state": entry.state,
            "lastOutput": "{topic}: {payload}".format(**entry.output[-1]) if entry.output else None,
            "code": entry.code,
            "error": entry.error or entry.deployment.error,
        }
        for device, entry in sorted(Application(item).status.device_statuses.items())
    ]
