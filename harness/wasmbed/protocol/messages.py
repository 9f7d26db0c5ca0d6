"""The messages of ``wasmbed.cddl`` as dataclasses, which the codecs produce and all other rooms use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "CANCELLED",
    "ApplicationState",
    "ApplicationStatus",
    "ApplicationStatusRequest",
    "ChunkAcknowledgment",
    "Deploy",
    "DeploymentResult",
    "DeviceInfo",
    "DeviceInfoRequest",
    "DeviceMessage",
    "EnrollmentAcknowledgment",
    "EnrollmentRequest",
    "EnrollmentResponse",
    "Envelope",
    "Error",
    "ErrorCode",
    "GatewayMessage",
    "Heartbeat",
    "HeartbeatAcknowledgment",
    "Limits",
    "Message",
    "ModuleChunk",
    "Publication",
    "RuntimeFault",
    "Stop",
    "StopResult",
]

Metrics = Mapping[str, int]
"""Whole numbers by name; the unit is in the name (``uptime_ms``, ``memory_used_bytes``)."""


CANCELLED = "CANCELLED"
"""The error code of a deployment that was stopped, or replaced by another, before it had a result."""


class ApplicationState(StrEnum):
    """The state of an application on one device."""

    RECEIVING = "receiving"
    DEPLOYED = "deployed"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    ERROR = "error"


class ErrorCode(StrEnum):
    """The codes this implementation sends in :class:`Error`; a peer may send others."""

    ENROLLMENT_FAILED = "ENROLLMENT_FAILED"
    CERTIFICATE_INVALID = "CERTIFICATE_INVALID"
    DUPLICATE_DEVICE = "DUPLICATE_DEVICE"
    UNSUPPORTED_CAPABILITY = "UNSUPPORTED_CAPABILITY"
    PROTOCOL_ERROR = "PROTOCOL_ERROR"
    DEPLOYMENT_FAILED = "DEPLOYMENT_FAILED"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    REPLAYED_MESSAGE = "REPLAYED_MESSAGE"
    GATEWAY_FULL = "GATEWAY_FULL"
    GATEWAY_DRAINING = "GATEWAY_DRAINING"


@dataclass(frozen=True, slots=True)
class Publication:
    """A payload that a module published under a topic."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a module: linear memory in bytes, fuel in units, wall time of one call in milliseconds."""

    memory: int
    fuel: int
    wall_time: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    device_id: str
    device_time: int
    status: str
    metrics: Metrics
    runtime_status: str
    applications: Mapping[str, ApplicationState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnrollmentRequest:
    device_type: str
    mcu_type: str
    architecture: str
    capabilities: Sequence[str]
    public_key: bytes
    firmware_version: str
    nonce: bytes
    csr: bytes | None = None
    pairing_token: str | None = field(default=None, repr=False)
    largest_module: int | None = None


@dataclass(frozen=True, slots=True)
class EnrollmentAcknowledgment:
    device_id: str


@dataclass(frozen=True, slots=True)
class ApplicationStatus:
    application_id: str
    state: ApplicationState
    metrics: Metrics = field(default_factory=dict)
    error: str | None = None
    publications: Sequence[Publication] | None = None


@dataclass(frozen=True, slots=True)
class DeploymentResult:
    application_id: str
    ok: bool
    error: str | None = None
    metrics: Metrics = field(default_factory=dict)
    code: str | None = None


@dataclass(frozen=True, slots=True)
class StopResult:
    application_id: str
    ok: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    memory: int
    architecture: str
    runtime_features: Sequence[str]
    largest_module: int


@dataclass(frozen=True, slots=True)
class RuntimeFault:
    """The contract's ``runtime-error``; the name avoids Python's ``RuntimeError``."""

    application_id: str
    code: str
    message: str
    backtrace: Sequence[str] = ()
    resource_use: Metrics = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkAcknowledgment:
    application_id: str
    index: int


@dataclass(frozen=True, slots=True)
class HeartbeatAcknowledgment:
    gateway_time: int


@dataclass(frozen=True, slots=True)
class EnrollmentResponse:
    device_id: str
    gateway_name: str
    gateway_endpoint: str
    heartbeat_interval: int
    certificate: bytes | None = None
    reassigned: bool | None = None
    """Whether that gateway is another one than the sender."""


@dataclass(frozen=True, slots=True)
class Deploy:
    application_id: str
    name: str
    size: int
    sha256: bytes
    chunk_size: int
    limits: Limits
    entry: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    application_id: str


@dataclass(frozen=True, slots=True)
class DeviceInfoRequest:
    pass


@dataclass(frozen=True, slots=True)
class ApplicationStatusRequest:
    application_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleChunk:
    application_id: str
    index: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Error:
    """A refusal, sent by either side. ``retry_after`` is in milliseconds."""

    code: str
    message: str
    retry_after: int | None = None
    action: str | None = None


DeviceMessage = (
    Heartbeat
    | EnrollmentRequest
    | Error
    | EnrollmentAcknowledgment
    | ApplicationStatus
    | DeploymentResult
    | StopResult
    | DeviceInfo
    | RuntimeFault
    | ChunkAcknowledgment
)
GatewayMessage = (
    HeartbeatAcknowledgment
    | EnrollmentResponse
    | Error
    | Deploy
    | Stop
    | DeviceInfoRequest
    | ApplicationStatusRequest
    | ModuleChunk
)
Message = DeviceMessage | GatewayMessage


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message and the id that its reply carries."""

    message_id: int
    message: Message
