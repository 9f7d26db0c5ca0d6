"""Devices, Applications, and Gateways with fields as attributes: ``device.status.wasm_runtime``.

A view wraps an object in its JSON form and reads a field on access; it never copies and never writes. An absent or null
field has the default of its declaration here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from harness.wasmbed.protocol.messages import ApplicationState
from harness.wasmbed.resources.phases import ApplicationPhase, DevicePhase, GatewayPhase

__all__ = [
    "UNKNOWN",
    "Application",
    "ApplicationConfig",
    "ApplicationSpec",
    "ApplicationStatus",
    "DeploymentRecord",
    "Device",
    "DeviceEntry",
    "DeviceSpec",
    "DeviceStatus",
    "Gateway",
    "GatewaySpec",
    "GatewayStatus",
    "Statistics",
    "TargetDevices",
    "choices",
    "field_names",
    "part",
]

T = TypeVar("T")

UNKNOWN = "unknown"
"""The state of an application on a device that is out of reach and had it when it last reported."""
HEALTH = ("healthy", "degraded", "unhealthy", "unknown")


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


class _Field(Generic[T]):
    """An attribute whose value is read from the wrapped object under the same name in camelCase."""

    def __init__(
        self, default: T, convert: Callable[[Any], T] | None = None, choices: Iterable[str] | None = None
    ) -> None:
        self.default, self._convert = default, convert
        self.choices = None if choices is None else tuple(map(str, choices))
        """The permitted values, if the schema lists them."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = _camel_case(name)

    def __get__(self, view: _View, owner: type) -> T:
        value = view.raw.get(self._key)
        if value is None:
            return self.default
        return self._convert(value) if self._convert else value


class _View:
    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


def field_names(view: type) -> list[str]:
    """Return the names of a view's fields, in snake_case."""
    return sorted(name for name, field in vars(view).items() if isinstance(field, _Field))


def choices(view: type, name: str) -> tuple[str, ...] | None:
    """Return the permitted values of a field, if the schema lists them."""
    field = vars(view)[name]
    return field.choices if isinstance(field, _Field) else None


def part(view: type, name: str) -> type | None:
    """Return the view class of a field's value, if it is a view."""
    field = vars(view)[name]
    return type(field.default) if isinstance(field, _Field) and isinstance(field.default, _View) else None


def _text(choices: Iterable[str] | None = None) -> _Field[str | None]:
    return _Field[str | None](None, choices=choices)


def _number() -> _Field[int]:
    return _Field(0)


def _texts() -> _Field[Sequence[str]]:
    return _Field[Sequence[str]](())


def _metrics() -> _Field[Mapping[str, int]]:
    return _Field[Mapping[str, int]]({})


def _conditions() -> _Field[Sequence[Mapping[str, Any]]]:
    return _Field[Sequence[Mapping[str, Any]]](())


def _states(raw: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    return {entry["name"]: entry["state"] for entry in raw}


class _Resource(_View):
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


class DeviceSpec(_View):
    __slots__ = ()
    public_key = _text()
    device_type = _text()
    mcu_type = _text()
    architecture = _text()
    capabilities = _texts()
    firmware_version = _text()
    largest_module = _Field[int | None](None)


class DeviceStatus(_View):
    __slots__ = ()
    phase = _Field("Pending", choices=DevicePhase)
    observed_generation = _number()
    device_id = _text()
    gateway = _text()
    enrolled_at = _text()
    enrollments = _number()
    connected_since = _text()
    last_heartbeat = _text()
    device_status = _text()
    health = _text(HEALTH)
    device_metrics = _metrics()
    device_info = _Field[Mapping[str, Any]]({})
    applications = _Field[Mapping[str, str] | None](None, _states)
    """The states in the last heartbeat, by application; None if the gateway does not report them."""
    wasm_runtime = _text()
    error = _text()
    conditions = _conditions()


class Device(_Resource):
    __slots__ = ()
    spec = _Field(DeviceSpec({}), DeviceSpec)
    status = _Field(DeviceStatus({}), DeviceStatus)


class TargetDevices(_View):
    """The target devices of an application."""

    __slots__ = ()
    device_names = _texts()
    all_devices = _Field(False)

    @property
    def match_labels(self) -> Mapping[str, str]:
        return (self.raw.get("selector") or {}).get("matchLabels") or {}

    def matches(self, device: Device) -> bool:
        """Whether ``device`` is a target."""
        if self.all_devices:
            return True
        wanted = self.match_labels
        if wanted:
            labels = device.labels
            return all(labels.get(key) == value for key, value in wanted.items())
        return device.name in self.device_names


class ApplicationConfig(_View):
    """Limits and input, with the schema's defaults."""

    __slots__ = ()
    memory_limit = _Field(1_048_576)
    fuel = _Field(10_000_000)
    time_limit = _Field(5_000)
    entry = _Field("run")
    args = _texts()
    env = _Field[Mapping[str, str]]({})


class ApplicationSpec(_View):
    __slots__ = ()
    name = _text()
    wasm_bytes = _text()
    wasm_ref = _text()
    stopped = _Field(False)
    target_devices = _Field(TargetDevices({}), TargetDevices)
    config = _Field(ApplicationConfig({}), ApplicationConfig)


class Statistics(_View):
    """Numbers of devices."""

    __slots__ = ()
    target = _number()
    deployed = _number()
    running = _number()
    failed = _number()
    unknown = _number()


class DeploymentRecord(_View):
    """The application controller's record of its last request for one device."""

    __slots__ = ()
    revision = _text()
    generation = _number()
    session = _text()
    device_id = _text()
    enrollments = _number()
    requested_at = _text()
    attempts = _number()
    error = _text()


class DeviceEntry(_View):
    """One device's entry in an Application's status.

    The gateway writes all of it but ``deployment``. The application controller writes ``deployment``, and the state
    ``unknown`` with its reason while the device is out of reach.
    """

    __slots__ = ()
    state = _text((*ApplicationState, UNKNOWN))
    generation = _Field[int | None](None)
    error = _text()
    code = _text()
    metrics = _metrics()
    output = _Field[Sequence[Mapping[str, str]]](())
    updated = _text()
    deployment = _Field(DeploymentRecord({}), DeploymentRecord)


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


class ApplicationStatus(_View):
    __slots__ = ()
    phase = _Field("Pending", choices=ApplicationPhase)
    observed_generation = _number()
    deployed_devices = _texts()
    deployment_progress = _number()
    statistics = _Field(Statistics({}), Statistics)
    device_statuses = _Field[Mapping[str, DeviceEntry]]({}, _entries)
    metrics = _metrics()
    last_update = _text()
    health = _text(HEALTH)
    error = _text()
    retry_count = _number()
    conditions = _conditions()


class Application(_Resource):
    __slots__ = ()
    spec = _Field(ApplicationSpec({}), ApplicationSpec)
    status = _Field(ApplicationStatus({}), ApplicationStatus)


class GatewaySpec(_View):
    __slots__ = ()
    endpoint = _text()
    capacity = _Field[int | None](None)


class GatewayStatus(_View):
    __slots__ = ()
    phase = _Field("Pending", choices=GatewayPhase)
    connected_devices = _number()
    last_seen = _text()
    last_seen_interval_milliseconds = _Field[int | None](None)
    version = _text()
    api_endpoint = _text()
    error = _text()
    conditions = _conditions()


class Gateway(_Resource):
    __slots__ = ()
    spec = _Field(GatewaySpec({}), GatewaySpec)
    status = _Field(GatewayStatus({}), GatewayStatus)
