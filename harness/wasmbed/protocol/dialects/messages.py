"""The messages of the original that have no counterpart in version 1, or another content there.

Those with the same content are the classes of version 1: ``DeploymentResult``, ``StopResult``, ``DeviceInfo``,
``Stop``, ``DeviceInfoRequest`` and ``ApplicationStatusRequest``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from harness.wasmbed.protocol.messages import (
    ApplicationStatusRequest,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    Stop,
    StopResult,
)

__all__ = [
    "ApplicationConfig",
    "ApplicationMetrics",
    "BareHeartbeat",
    "BareHeartbeatAcknowledgment",
    "DeployModule",
    "DeviceDialectMessage",
    "DeviceUuid",
    "DialectMessage",
    "EnrollmentAccepted",
    "EnrollmentCompleted",
    "EnrollmentRejected",
    "EnrollmentStart",
    "GatewayDialectMessage",
    "NumberedState",
    "NumberedStatus",
    "PublicKey",
    "UuidAcknowledgment",
]


class NumberedState(IntEnum):
    """The state of an application; other numbers mean ``UNKNOWN``."""

    DEPLOYING = 0
    RUNNING = 1
    STOPPED = 2
    FAILED = 3
    UNKNOWN = 4


@dataclass(frozen=True, slots=True)
class BareHeartbeat:
    """A heartbeat without content."""


@dataclass(frozen=True, slots=True)
class BareHeartbeatAcknowledgment:
    """The answer to a heartbeat, without content."""


@dataclass(frozen=True, slots=True)
class EnrollmentStart:
    """The first message of an enrollment, from the device; :class:`EnrollmentAccepted` or a rejection answers it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The device's key: SubjectPublicKeyInfo, DER."""

    public_key: bytes


@dataclass(frozen=True, slots=True)
class UuidAcknowledgment:
    """The device has its :class:`DeviceUuid`."""


@dataclass(frozen=True, slots=True)
class ApplicationMetrics:
    """Memory in bytes, processor use as a 32-bit float, uptime, and the number of function calls."""

    memory: int
    cpu: float
    uptime: int
    calls: int


@dataclass(frozen=True, slots=True)
class NumberedStatus:
    application_id: str
    state: NumberedState
    error: str | None = None
    metrics: ApplicationMetrics | None = None


@dataclass(frozen=True, slots=True)
class EnrollmentAccepted:
    """The gateway asks for the device's key."""


@dataclass(frozen=True, slots=True)
class EnrollmentRejected:
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceUuid:
    """The device's id, 16 bytes."""

    uuid: bytes


@dataclass(frozen=True, slots=True)
class EnrollmentCompleted:
    """The last message of an enrollment, from the gateway."""


@dataclass(frozen=True, slots=True)
class ApplicationConfig:
    """Memory in bytes, processor time in milliseconds, environment and arguments."""

    memory: int
    cpu_time: int
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DeployModule:
    """A deployment with the whole module."""

    application_id: str
    name: str
    module: bytes
    config: ApplicationConfig | None = None


DeviceDialectMessage = (
    BareHeartbeat
    | EnrollmentStart
    | PublicKey
    | UuidAcknowledgment
    | NumberedStatus
    | DeploymentResult
    | StopResult
    | DeviceInfo
)
GatewayDialectMessage = (
    BareHeartbeatAcknowledgment
    | EnrollmentAccepted
    | EnrollmentRejected
    | DeviceUuid
    | EnrollmentCompleted
    | DeployModule
    | Stop
    | DeviceInfoRequest
    | ApplicationStatusRequest
)
DialectMessage = DeviceDialectMessage | GatewayDialectMessage
