"""Operations on what runs the platform: its pods and services, their use of the machine, and their logs."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field
from typing_extensions import TypedDict

from harness.wasmbed.api.log_lines import LEVELS, LogLine, LogSource
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.resources.api import ApiError, NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.kinds import POD, SERVICE

__all__ = ["ClusterParts"]

_USE = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics")
_LINES = 200
"""Log lines that the terminal shows."""
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z]*)")
_UNITS = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(1000)}
_UNITS |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGT", 1)}
_UNITS |= {letter: Decimal(1000) ** power for power, letter in enumerate("MGT", 2)}


def _with_date(text: str) -> str:
    """Refuse a number, which pydantic takes for seconds."""
    if not re.match(r"\d{4}-\d\d-\d\d[Tt]", text):
        raise ValueError("it is not a time of RFC 3339")
    return text


class ObjectList(TypedDict):
    """A list of Kubernetes, as kubectl shows it in JSON."""

    apiVersion: Literal["v1"]
    kind: Literal["List"]
    items: list[dict[str, Any]]


class PodUse(TypedDict):
    """The use of the machine by a pod."""

    name: str
    cpu: Annotated[str, Field(description="Thousandths of a processor, as in 12m.")]
    memory: Annotated[str, Field(description="Mebibytes, as in 64Mi.")]


class Metrics(TypedDict):
    """The use of the machine by pods, by name."""

    metrics: list[PodUse]


class LogQuery(Body):
    """Which log lines."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, Field(description="Lines of this level, and of worse.")
    ] = None
    component: Annotated[str | None, Field(max_length=253, description="Lines of this component.")] = None
    since: Annotated[
        AwareDatetime | None, BeforeValidator(_with_date), Field(description="Lines from this time on (RFC 3339).")
    ] = None
    contains: Annotated[str | None, Field(max_length=253, description="Lines with this text.")] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="Lines at most, the latest.")] = 50


class Line(TypedDict):
    """A line of a log."""

    id: Annotated[str, Field(description="Its number in this answer.")]
    timestamp: Time
    level: str
    component: str
    message: str


class Logs(TypedDict):
    """Log lines, oldest first."""

    logs: list[Line]


class ClusterParts:
    """The operations."""

    def __init__(self, api: ResourceApi, logs: LogSource) -> None:
        self._api, self._logs = api, logs

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        return [
            Operation(
                name="listPods", method="GET", path="/api/v1/pods", run=self._pods, answer=ObjectList,
                right=Right("list", "pods", group=""), refusals=(404,), summary="The pods of the platform's namespace.",
            ),
            Operation(
                name="listServices", method="GET", path="/api/v1/services", run=self._services, answer=ObjectList,
                right=Right("list", "services", group=""), refusals=(404,),
                summary="The services of the platform's namespace.",
            ),
            Operation(
                name="getMetrics", method="GET", path="/api/v1/metrics", run=self._metrics, answer=Metrics,
                right=Right("list", "pods", group="metrics.k8s.io"), refusals=(404,),
                summary="What the pods use, where the cluster measures that (metrics-server).",
            ),
            Operation(
                name="getLogs", method="GET", path="/api/v1/logs", run=self._read_logs, answer=Logs, query=LogQuery,
                right=Right("get", "pods/log", group=""), also="/logs",
                summary="Log lines of the platform's pods, or of this process where there are none.",
            ),
        ]  # fmt: skip

    async def _pods(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer(await self._all(POD))

    async def _services(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer(await self._all(SERVICE))

    async def _all(self, kind: Resource) -> ObjectList:
        try:
            items = (await self._api.list(kind)).items
        except NotFound as error:
            raise Problem(404, f"this cluster has no {kind.plural}") from error
        return {
            "apiVersion": "v1",
            "kind": "List",
            "items": [{"apiVersion": kind.api_version, "kind": kind.kind, **each} for each in items],
        }

    async def _metrics(self, call: Call[NoBody, NoQuery]) -> Answer:
        answer: Metrics = {"metrics": await self.read_use()}
        return Answer(answer)

    async def read_use(self) -> list[PodUse]:
        """Return what the pods use, by name. Raises :class:`Problem` 404 where nobody measures that."""
        try:
            items = (await self._api.list(_USE)).items
        except ApiError as error:
            if error.code not in (404, 503):
                raise
            detail = "this cluster does not measure what pods use: install metrics-server"
            raise Problem(404, detail) from error
        return sorted(map(_use, items), key=lambda each: each["name"])

    async def read_logs(self, component: str) -> list[LogLine]:
        """Return the latest log lines of a component."""
        return [each for each in await self._logs.read() if each.component == component][-_LINES:]

    async def _read_logs(self, call: Call[NoBody, LogQuery]) -> Answer:
        wanted = call.query
        least = LEVELS.index(wanted.level) if wanted.level else 0
        found = [
            each
            for each in await self._logs.read()
            if LEVELS.index(each.level) >= least
            and wanted.component in (None, each.component)
            and (wanted.since is None or _moment(each.at) >= wanted.since)
            and (wanted.contains or "") in each.message
        ][-wanted.limit :]
        answer: Logs = {
            "logs": [
                {
                    "id": str(number),
                    "timestamp": each.at,
                    "level": each.level,
                    "component": each.component,
                    "message": each.message,
                }
                for number, each in enumerate(found, 1)
            ]
        }
        return Answer(answer)


def _moment(text: str) -> datetime:
    """Read a time of RFC 3339; Python knows no more than six digits of a second."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _use(pod: Object) -> PodUse:
    def total(what: str) -> Decimal:
        return sum((_quantity(each["usage"].get(what, "0")) for each in pod.get("containers") or ()), Decimal())

    cpu, memory = total("cpu") * 1000, total("memory") / (1 << 20)
    return {"name": pod["metadata"]["name"], "cpu": f"{cpu:.0f}m", "memory": f"{memory:.0f}Mi"}


def _quantity(text: str) -> Decimal:
    """Read a quantity of Kubernetes, as 12m or 64Mi; what cannot be read counts nothing."""
    found = _QUANTITY.fullmatch(text)
    return Decimal(found[1]) * _UNITS.get(found[2], Decimal()) if found else Decimal()
