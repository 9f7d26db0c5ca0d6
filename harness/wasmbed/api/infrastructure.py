"""The answers of the infrastructure service, at the paths of the original's API server.

The service is asked with the caller's own token, so that it checks their rights itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import aiohttp
import orjson
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.network import Network
from harness.wasmbed.api.operation import Answer, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import RETRY_AFTER, Problem
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["UNKNOWN", "Infrastructure", "InfrastructureStates"]

_ANSWERS_WITHIN = 5.0
_LARGEST = 8 << 20
"""Bytes of an answer."""
_PARTS = ("ca", "secret_store", "monitoring", "logging")
_UNKNOWN = "unknown"
_BAD_GATEWAY = 502
_CHECK = "check that --infrastructure names an infrastructure service of this version"

T = TypeVar("T")


class InfrastructureStates(TypedDict):
    """The parts of the infrastructure service: ``active``, or ``unknown`` where no service answers."""

    ca_status: str
    secret_store_status: str
    monitoring_status: str
    logging_status: str


class Health(TypedDict):
    """Whether the service answers."""

    status: Literal["healthy", "unhealthy"]
    timestamp: str
    infrastructure_endpoint: Annotated[str, Field(description="Its address; empty if there is none.")]


class Status(TypedDict):
    """The service and its parts."""

    status: str
    components: dict[str, str]
    timestamp: str


class Logs(TypedDict):
    """The service's log, newest first."""

    logs: list[dict[str, Any]]


_ANYTHING: TypeAdapter[object] = TypeAdapter(object)
_STATES = TypeAdapter(InfrastructureStates)
_LOGS = TypeAdapter(Logs)
_METRICS = TypeAdapter(list[dict[str, Any]])

UNKNOWN: InfrastructureStates = {
    "ca_status": _UNKNOWN,
    "secret_store_status": _UNKNOWN,
    "monitoring_status": _UNKNOWN,
    "logging_status": _UNKNOWN,
}


class Infrastructure:
    """Asks the service at ``url``, if there is one."""

    def __init__(self, url: str, clock: Clock, network: Network) -> None:
        self._url, self._clock, self._network = url.rstrip("/"), clock, network
        self._session: aiohttp.ClientSession | None = None

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        right = Right("list", "devices")
        return [
            Operation(
                name="getInfrastructureHealth", method="GET", path="/api/v1/infrastructure/health", run=self._health,
                answer=Health, right=right, summary="Whether the infrastructure service answers.",
            ),
            Operation(
                name="getInfrastructureStatus", method="GET", path="/api/v1/infrastructure/status", run=self._status,
                answer=Status, right=right, refusals=(404, 502), summary="The infrastructure service and its parts.",
            ),
            Operation(
                name="getInfrastructureLogs", method="GET", path="/api/v1/infrastructure/logs", run=self._logs,
                answer=Logs, right=right, refusals=(404, 502), summary="The service's log, newest first.",
            ),
            Operation(
                name="getMonitoringMetrics", method="GET", path="/api/v1/monitoring/metrics", run=self._metrics,
                answer=list[dict[str, Any]], right=right, refusals=(404, 502), summary="Its metrics of the last hour.",
            ),
        ]  # fmt: skip

    async def states(self, call: Call[Any, Any]) -> InfrastructureStates:
        """Return the states of its parts; unknown ones where it does not answer the caller."""
        try:
            return await self._ask("/api/v1/status", _STATES, call)
        except Problem:
            return UNKNOWN

    async def close(self) -> None:
        """Close the connections to it."""
        if self._session is not None:
            await self._session.close()

    async def _health(self, call: Call[NoBody, NoQuery]) -> Answer:
        try:
            await self._ask("/health", _ANYTHING, call)
            healthy = True
        except Problem:
            healthy = False
        answer: Health = {
            "status": "healthy" if healthy else "unhealthy",
            "timestamp": self._now(),
            "infrastructure_endpoint": self._url,
        }
        return Answer(answer)

    async def _status(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = await self._ask("/api/v1/status", _STATES, call)
        parts = {part: str(state) for part, state in zip(_PARTS, found.values(), strict=True)}
        answer: Status = {"status": "running", "components": parts, "timestamp": self._now()}
        return Answer(answer)

    async def _logs(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer(await self._ask("/logs", _LOGS, call))

    async def _metrics(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer(await self._ask("/api/v1/metrics", _METRICS, call))

    async def _ask(self, path: str, shape: TypeAdapter[T], call: Call[Any, Any]) -> T:
        """Return what the service answers. Raises :class:`Problem`: its own refusals, 404 without a service, 502 for an
        answer of another shape, 503 without an answer."""
        if not self._url:
            do = "start wasmbed infrastructure, and this server with --infrastructure URL"
            raise Problem(404, f"there is no infrastructure service here; {do}")
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_ANSWERS_WITHIN)
            self._session = aiohttp.ClientSession(connector=self._network.connector(), timeout=timeout)
        headers = {"Authorization": call.request.headers.get("Authorization", "")}
        away = {"Retry-After": str(RETRY_AFTER)}
        try:
            async with self._session.get(self._url + path, headers=headers) as answer:
                content = await answer.content.read(_LARGEST + 1)
                while len(content) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
                    content += more
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Problem(503, f"the infrastructure service does not answer: {reason(error)}", headers=away) from error
        if answer.status >= 400:
            status = answer.status if answer.status in (401, 403, 429) else 503
            raise Problem(status, f"the infrastructure service refused: {answer.status} {answer.reason}", headers=away)
        try:
            found = orjson.loads(content)
        except ValueError as error:
            raise Problem(_BAD_GATEWAY, f"{self._url}{path} does not answer with JSON; {_CHECK}") from error
        try:
            fitting = shape.validate_python(found, strict=True)
            orjson.dumps(fitting)  # it nests less deeply than it reads
        except (ValueError, TypeError) as error:
            raise Problem(_BAD_GATEWAY, f"{self._url}{path} answers with JSON of another shape; {_CHECK}") from error
        return fitting

    def _now(self) -> str:
        return format_timestamp(self._clock.now())
