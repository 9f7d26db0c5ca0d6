"""Devices, Applications, and Gateways with fields as attributes: ``device.status.wasm_runtime``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.label_expressions import meets
from harness.wasmbed.resources.phases import ApplicationPhase, DevicePhase, GatewayPhase
from harness.wasmbed.resources.view_fields import (
    Field,
    View,
    conditions_field,
    duration_field,
    metrics_field,
    number_field,
    text_field,
    texts_field,
)

__all__ = [
    "UNKNOWN",
    "Application",
    "ApplicationConfig",
    "ApplicationSpec",
    "ApplicationStatus",
    "BoardSpec",
    "BoardStatus",
    "DeploymentRecord",
    "Device",
    "DeviceEntry",
    "DeviceSpec",
    "DeviceStatus",
    "Gateway",
    "GatewayConfig",
    "GatewayPairing",
    "GatewaySpec",
    "GatewayStatus",
    "Statistics",
    "TargetDevices",
]

UNKNOWN = "unknown"
"""The state of an application on a device that is out of reach and had it when it last reported."""
HEALTH = ("healthy", "degraded", "unhealthy", "unknown")


def _states(raw: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    return {entry["name"]: entry["state"] for entry in raw}


class _Resource(View):
    """An object with its metadata."""

    __slots__ = ()

    @property
    def metadata(self) -> Mapping[str, Any]:
        metadata: Mapping[str, Any] = self.raw.get("metadata") or {}
        return metadata

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def uid(self) -> str:
        return str(self.metadata.get("uid", ""))

    @property
    def resource_version(self) -> str:
        return str(self.metadata.get("resourceVersion", ""))

    @property
    def generation(self) -> int:
        return int(self.metadata.get("generation") or 0)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.metadata.get("labels") or {}

    @property
    def finalizers(self) -> Sequence[str]:
        return self.metadata.get("finalizers") or ()

    @property
    def deleting(self) -> bool:
        """Whether it was deleted and waits for its finalizers."""
        return bool(self.metadata.get("deletionTimestamp"))


class BoardSpec(View):
    """The board that a device asks for; ``kind`` is empty if it asks for none."""

    __slots__ = ()
    kind = Field("")
    running = Field(True)
    restart_policy = Field("Always", choices=("Always", "OnFailure", "Never"))
    restarted_at = text_field()

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that are others when any of the fields is."""
        fields = json.dumps([self.kind, self.running, self.restart_policy, self.restarted_at])
        return sha256(fields.encode()).hexdigest()[:16]


class BoardStatus(View):
    __slots__ = ()
    phase = text_field(("Pending", "Starting", "Running", "BackingOff", "Stopped", "Failed"))
    host = text_field()
    console_host = text_field()
    pid = Field[int | None](None)
    spec_hash = text_field()
    restarts = number_field()
    last_exit = text_field()


class DeviceSpec(View):
    __slots__ = ()
    public_key = text_field()
    device_type = text_field()
    mcu_type = text_field()
    architecture = text_field()
    capabilities = texts_field()
    firmware_version = text_field()
    largest_module = Field[int | None](None)
    preferred_gateway = text_field()
    suspended = Field(False)
    board = Field(BoardSpec({}), BoardSpec)


class DeviceStatus(View):
    __slots__ = ()
    phase = Field("Pending", choices=DevicePhase)
    observed_generation = number_field()
    device_id = text_field()
    gateway = text_field()
    enrolled_at = text_field()
    enrollments = number_field()
    heartbeat_interval_milliseconds = Field[int | None](None)
    connected_since = text_field()
    last_heartbeat = text_field()
    device_status = text_field()
    health = text_field(HEALTH)
    device_metrics = metrics_field()
    device_info = Field[Mapping[str, Any]]({})
    applications = Field[Mapping[str, str] | None](None, _states)
    """The states in the last heartbeat, by application; None if the gateway does not report them."""
    wasm_runtime = text_field()
    board = Field(BoardStatus({}), BoardStatus)
    error = text_field()
    conditions = conditions_field()


class Device(_Resource):
    __slots__ = ()
    spec = Field(DeviceSpec({}), DeviceSpec)
    status = Field(DeviceStatus({}), DeviceStatus)

    @property
    def awaits_board(self) -> bool:
        """Whether it was made to ask for a board, which has not enrolled yet."""
        return bool(self.spec.board.kind) and self.spec.public_key is None


class TargetDevices(View):
    """The target devices of an application."""

    __slots__ = ()
    device_names = texts_field()
    all_devices = Field(False)

    @property
    def match_labels(self) -> Mapping[str, str]:
        return (self.raw.get("selector") or {}).get("matchLabels") or {}

    @property
    def match_expressions(self) -> Sequence[Mapping[str, Any]]:
        return (self.raw.get("selector") or {}).get("matchExpressions") or ()

    def matches(self, device: Device) -> bool:
        """Whether ``device`` is a target."""
        if self.all_devices:
            return True
        labels, expressions, found = self.match_labels, self.match_expressions, device.labels
        if labels or expressions:
            return all(found.get(key) == value for key, value in labels.items()) and all(
                meets(found, each) for each in expressions
            )
        return device.name in self.device_names


class ApplicationConfig(View):
    """Limits and input, with the schema's defaults."""

    __slots__ = ()
    memory_limit = Field(1_048_576)
    fuel = Field(10_000_000)
    time_limit = Field(5_000)
    auto_restart = Field(False)
    max_restarts = Field(3)
    entry = Field("run")
    args = texts_field()
    env = Field[Mapping[str, str]]({})


class ApplicationSpec(View):
    __slots__ = ()
    name = text_field()
    description = text_field()
    metadata = Field[Mapping[str, Any]]({})
    wasm_bytes = text_field()
    wasm_ref = text_field()
    stopped = Field(False)
    target_devices = Field(TargetDevices({}), TargetDevices)
    config = Field(ApplicationConfig({}), ApplicationConfig)


class Statistics(View):
    """Numbers of devices."""

    __slots__ = ()
    target = number_field()
    deployed = number_field()
    running = number_field()
    failed = number_field()
    unknown = number_field()


class DeploymentRecord(View):
    """The application controller's record of its last request for one device."""

    __slots__ = ()
    revision = text_field()
    generation = number_field()
    session = text_field()
    device_id = text_field()
    enrollments = number_field()
    requested_at = text_field()
    attempts = number_field()
    restarts = number_field()
    error = text_field()


class DeviceEntry(View):
    """One device's entry in an Application's status.

    The gateway writes all of it but ``deployment``. The application controller writes ``deployment``, and the state
    ``unknown`` with its reason while the device is out of reach.
    """

    __slots__ = ()
    state = text_field((*ApplicationState, UNKNOWN))
    generation = Field[int | None](None)
    error = text_field()
    code = text_field()
    metrics = metrics_field()
    output = Field[Sequence[Mapping[str, str]]](())
    updated = text_field()
    deployment = Field(DeploymentRecord({}), DeploymentRecord)


def _entries(raw: Mapping[str, Any]) -> Mapping[str, DeviceEntry]:
    return _Entries(raw)


class _Entries(Mapping[str, DeviceEntry]):
    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> DeviceEntry:
        return DeviceEntry(self._raw[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class ApplicationStatus(View):
    __slots__ = ()
    phase = Field("Pending", choices=ApplicationPhase)
    observed_generation = number_field()
    deployed_devices = texts_field()
    deployment_progress = number_field()
    statistics = Field(Statistics({}), Statistics)
    device_statuses = Field[Mapping[str, DeviceEntry]]({}, _entries)
    metrics = metrics_field()
    last_update = text_field()
    health = text_field(HEALTH)
    error = text_field()
    retry_count = number_field()
    restart_count = number_field()
    conditions = conditions_field()


class Application(_Resource):
    __slots__ = ()
    spec = Field(ApplicationSpec({}), ApplicationSpec)
    status = Field(ApplicationStatus({}), ApplicationStatus)


class GatewayConfig(View):
    """Times in seconds; None where the gateway's own setting counts."""

    __slots__ = ()
    heartbeat_interval = duration_field()
    connection_timeout = duration_field()
    enrollment_timeout = duration_field()


class GatewayPairing(View):
    __slots__ = ()
    mode = Field("off", choices=("on", "off"))
    until = text_field()


class GatewaySpec(View):
    __slots__ = ()
    endpoint = text_field()
    capacity = Field[int | None](None)
    region = text_field()
    capabilities = texts_field()
    enabled = Field(True)
    config = Field(GatewayConfig({}), GatewayConfig)
    pairing = Field(GatewayPairing({}), GatewayPairing)


class GatewayStatus(View):
    __slots__ = ()
    phase = Field("Pending", choices=GatewayPhase)
    connected_devices = number_field()
    last_seen = text_field()
    last_seen_interval_milliseconds = Field[int | None](None)
    version = text_field()
    api_endpoint = text_field()
    error = text_field()
    conditions = conditions_field()


class Gateway(_Resource):
    __slots__ = ()
    spec = Field(GatewaySpec({}), GatewaySpec)
    status = Field(GatewayStatus({}), GatewayStatus)
