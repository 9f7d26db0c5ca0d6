"""Resources as this API shows them: names and fields of the original's, and what those lack.

Answers are dictionaries, whose types become schemas of the OpenAPI document; bodies are checked by their types.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from harness.wasmbed.resources.views import Application, Device, Gateway

__all__ = [
    "ApplicationShape",
    "DeviceShape",
    "GatewayShape",
    "PairingShape",
    "StatisticsShape",
    "Time",
    "application_shape",
    "device_shape",
    "gateway_shape",
    "pairing_shape",
]

Time = Annotated[str, Field(description="RFC 3339, in UTC.", json_schema_extra={"format": "date-time"})]


class BoardShape(TypedDict):
    """The board of a device that asks for one."""

    kind: str
    running: bool
    restartPolicy: str
    phase: str | None
    host: Annotated[str | None, Field(description="The emulator manager that has it.")]
    restarts: int
    lastExit: str | None


class DeviceShape(TypedDict):
    """A device that enrolled."""

    id: Annotated[str, Field(description="The name of the Device.")]
    name: str
    deviceId: str | None
    type: str | None
    architecture: str | None
    mcuType: str | None
    status: Annotated[str, Field(description="The phase: Pending, Enrolling, Enrolled, Connected, Disconnected.")]
    health: str | None
    gateway: Annotated[str | None, Field(description="The gateway that it is or was connected to.")]
    preferredGateway: str | None
    suspended: Annotated[bool, Field(description="Whether it is kept away: its gateway refuses it.")]
    connectedSince: Time | None
    lastHeartbeat: Time | None
    publicKey: Annotated[str | None, Field(description="SubjectPublicKeyInfo, DER in base64.")]
    firmwareVersion: str | None
    capabilities: list[str]
    labels: dict[str, str]
    board: Annotated[BoardShape | None, Field(description="The board that it asks for; null for another one.")]
    applications: Annotated[dict[str, str], Field(description="The state of each application, as it last said.")]
    metrics: dict[str, Any]
    error: str | None
    resourceVersion: str


class StatisticsShape(TypedDict):
    """Numbers of devices."""

    total_devices: int
    target_count: int
    running_devices: int
    deployed_count: int
    failed_devices: int
    unknown_devices: int
    deployment_progress: Annotated[int, Field(description="Percent of the targets that have an answer.")]


class ApplicationShape(TypedDict):
    """An application and how far it is."""

    id: Annotated[str, Field(description="The name of the Application.")]
    app_id: Annotated[str, Field(description="The same.")]
    name: Annotated[str, Field(description="Its display name.")]
    description: str | None
    status: Annotated[str, Field(description="The phase.")]
    health: str | None
    stopped: bool
    module: Annotated[str | None, Field(description="SHA-256 of a module in the module store.")]
    target_devices: Annotated[list[str] | None, Field(description="None if they are chosen by labels, or all.")]
    selector: dict[str, str] | None
    all_devices: bool
    deployed_devices: list[str]
    devices: Annotated[dict[str, str], Field(description="The state on each device.")]
    config: dict[str, Any]
    statistics: StatisticsShape
    created_at: Time
    last_updated: Time | None
    error: str | None
    retries: int
    resourceVersion: str


class PairingShape(TypedDict):
    """Whether devices without certificate and token may enroll."""

    mode: Annotated[str, Field(description="on or off.")]
    until: Annotated[Time | None, Field(description="When it ends by itself.")]


class GatewayShape(TypedDict):
    """A gateway that registered."""

    id: Annotated[str, Field(description="The name of the Gateway.")]
    name: str
    status: Annotated[str, Field(description="The phase: Pending, Online, Offline.")]
    endpoint: str | None
    connected_devices: int
    enrolled_devices: Annotated[int, Field(description="Devices on record that it served last.")]
    capacity: int | None
    enabled: Annotated[bool, Field(description="Whether it takes devices.")]
    region: str | None
    capabilities: list[str]
    config: Annotated[dict[str, str], Field(description="Times that were set here; the rest is its own.")]
    pairing: PairingShape
    last_seen: Time | None
    version: str | None
    error: str | None
    resourceVersion: str


def device_shape(raw: dict[str, Any]) -> DeviceShape:
    """Return a Device as this API shows it."""
    device = Device(raw)
    spec, status = device.spec, device.status
    return {
        "id": device.name,
        "name": device.name,
        "deviceId": status.device_id,
        "type": spec.device_type,
        "architecture": spec.architecture,
        "mcuType": spec.mcu_type,
        "status": status.phase,
        "health": status.health,
        "gateway": status.gateway,
        "preferredGateway": spec.preferred_gateway,
        "suspended": spec.suspended,
        "connectedSince": status.connected_since,
        "lastHeartbeat": status.last_heartbeat,
        "publicKey": spec.public_key,
        "firmwareVersion": spec.firmware_version,
        "capabilities": list(spec.capabilities),
        "labels": dict(device.labels),
        "board": _board_shape(device) if spec.board.kind else None,
        "applications": dict(status.applications or {}),
        "metrics": dict(status.device_metrics),
        "error": status.error,
        "resourceVersion": device.resource_version,
    }


def _board_shape(device: Device) -> BoardShape:
    spec, status = device.spec.board, device.status.board
    return {
        "kind": spec.kind,
        "running": spec.running,
        "restartPolicy": spec.restart_policy,
        "phase": status.phase,
        "host": status.host,
        "restarts": status.restarts,
        "lastExit": status.last_exit,
    }


def application_shape(raw: dict[str, Any]) -> ApplicationShape:
    """Return an Application as this API shows it, without its module."""
    application = Application(raw)
    spec, status = application.spec, application.status
    numbers, targets = status.statistics, spec.target_devices
    return {
        "id": application.name,
        "app_id": application.name,
        "name": spec.name or application.name,
        "description": spec.description,
        "status": status.phase,
        "health": status.health,
        "stopped": spec.stopped,
        "module": spec.wasm_ref,
        "target_devices": list(targets.device_names) or None,
        "selector": dict(targets.match_labels) or None,
        "all_devices": targets.all_devices,
        "deployed_devices": list(status.deployed_devices),
        "devices": {name: str(entry.state) for name, entry in status.device_statuses.items()},
        "config": dict(raw["spec"].get("config") or {}),
        "statistics": {
            "total_devices": numbers.target,
            "target_count": numbers.target,
            "running_devices": numbers.running,
            "deployed_count": numbers.deployed,
            "failed_devices": numbers.failed,
            "unknown_devices": numbers.unknown,
            "deployment_progress": status.deployment_progress,
        },
        "created_at": str(application.metadata.get("creationTimestamp")),
        "last_updated": status.last_update,
        "error": status.error,
        "retries": status.retry_count,
        "resourceVersion": application.resource_version,
    }


def gateway_shape(raw: dict[str, Any], enrolled: int) -> GatewayShape:
    """Return a Gateway as this API shows it; ``enrolled`` is the number of devices on record that it served last."""
    gateway, spec = Gateway(raw), raw["spec"]
    return {
        "id": gateway.name,
        "name": gateway.name,
        "status": gateway.status.phase,
        "endpoint": gateway.spec.endpoint,
        "connected_devices": gateway.status.connected_devices,
        "enrolled_devices": enrolled,
        "capacity": gateway.spec.capacity,
        "enabled": bool(spec.get("enabled", True)),
        "region": spec.get("region"),
        "capabilities": list(spec.get("capabilities") or ()),
        "config": dict(spec.get("config") or {}),
        "pairing": pairing_shape(raw),
        "last_seen": gateway.status.last_seen,
        "version": gateway.status.version,
        "error": gateway.status.error,
        "resourceVersion": gateway.resource_version,
    }


def pairing_shape(raw: dict[str, Any]) -> PairingShape:
    """Return a Gateway's pairing mode."""
    pairing = raw["spec"].get("pairing") or {}
    return {"mode": str(pairing.get("mode", "off")), "until": pairing.get("until")}
