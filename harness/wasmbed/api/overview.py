"""The numbers of the whole platform, kept current by each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.wasmbed.api.copies import KINDS, Copies
from harness.wasmbed.api.infrastructure import UNKNOWN, Infrastructure, InfrastructureStates
from harness.wasmbed.api.operation import Answer, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Overview"]


class DeviceNumbers(TypedDict):
    """Devices."""

    total: Annotated[int, Field(description="Also those that have not enrolled yet.")]
    connected: int
    enrolled: Annotated[int, Field(description="Enrolled, and not connected yet.")]
    unreachable: Annotated[int, Field(description="Disconnected, unreachable or failed.")]


class ApplicationNumbers(TypedDict):
    """Applications."""

    total: int
    running: int
    pending: int
    failed: int


class GatewayNumbers(TypedDict):
    """Gateways."""

    total: int
    active: int
    inactive: int


class Health(TypedDict):
    """Whether the server works."""

    status: Literal["healthy"]
    timestamp: Annotated[int, Field(description="Seconds since 1970.")]


class Status(TypedDict):
    """The platform at a glance."""

    devices: DeviceNumbers
    applications: ApplicationNumbers
    gateways: GatewayNumbers
    infrastructure: InfrastructureStates
    uptime: Annotated[float, Field(description="Seconds since this API server began.")]
    last_update: Time


class Overview:
    """The operation, and the numbers behind it."""

    def __init__(self, copies: Copies, infrastructure: Infrastructure, clock: Clock) -> None:
        self._clock, self._copies, self._infrastructure = clock, copies, infrastructure
        self._began = clock.now()
        self._phases: dict[Resource, Counter[str]] = {kind: Counter() for kind in KINDS}
        for kind in KINDS:
            copies.informers[kind].add_handler(_counting(self._phases[kind]))

    def operations(self) -> list[Operation]:
        """Return it, for the router and the document."""
        return [
            Operation(
                name="getStatus", method="GET", path="/api/v1/status", run=self._get, answer=Status, also="/api/status",
                right=Right("list", "devices"), summary="The platform at a glance.",
            ),
            Operation(
                name="getHealth", method="GET", path="/health", run=self._health, answer=Health, right=None,
                summary="Whether the server works, and has read the cluster.",
            ),
        ]  # fmt: skip

    async def _health(self, call: Call[NoBody, NoQuery]) -> Answer:
        if not self._copies.synced:
            raise Problem(503, "the copies of the cluster's objects are not complete")
        answer: Health = {"status": "healthy", "timestamp": int(self._clock.now())}
        return Answer(answer)

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        answer = self.status()
        answer["infrastructure"] = await self._infrastructure.states(call)
        return Answer(answer)

    def status(self) -> Status:
        """Return the present numbers, without the infrastructure service's."""
        devices, applications, gateways = (self._phases[kind] for kind in (DEVICE, APPLICATION, GATEWAY))
        return {
            "devices": {
                "total": len(self._copies.devices()),
                "connected": devices["Connected"],
                "enrolled": devices["Enrolled"],
                "unreachable": devices["Disconnected"] + devices["Unreachable"] + devices["Failed"],
            },
            "applications": {
                "total": applications.total(),
                "running": applications["Running"] + applications["PartiallyRunning"],
                "pending": sum(applications[phase] for phase in ("Pending", "Creating", "Deploying", "Deployed")),
                "failed": applications["Failed"] + applications["Error"],
            },
            "gateways": {
                "total": gateways.total(),
                "active": gateways["Online"],
                "inactive": gateways["Offline"],
            },
            "infrastructure": UNKNOWN,
            "uptime": round(self._clock.now() - self._began, 3),
            "last_update": format_timestamp(self._clock.now()),
        }


def _counting(phases: Counter[str]) -> Callable[[Object | None, Object | None], None]:
    def count(old: Object | None, new: Object | None) -> None:
        if old is not None:
            phases[_phase(old)] -= 1
        if new is not None:
            phases[_phase(new)] += 1

    return count


def _phase(found: Object) -> str:
    return str((found.get("status") or {}).get("phase", "Pending"))
