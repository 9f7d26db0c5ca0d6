"""The service's metrics: as Prometheus reads them, and an hour of history in memory."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics import Gauge
from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock, Timer
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, Operation, Right
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.infrastructure.register import CertificateStatus, Register
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Gauges", "Metrics"]

_INTERVAL = 30.0
_KEPT = 120
"""Samples: an hour."""
_SUMMARIES = {
    "cpu_usage": "Percent of one processor that the service used since the last sample.",
    "memory_usage": "Percent of the computer's memory in use.",
    "disk_usage": "Percent of the file system of the authority's folder in use.",
    "certificates": "Certificates in the register.",
    "certificates_active": "Certificates that can be used.",
}


class MetricQuery(Body):
    """Which samples."""

    name: Annotated[str | None, Field(max_length=64, description="Only samples of this metric.")] = None
    limit: Annotated[int, Field(ge=1, le=_KEPT, description="Samples of each metric, the newest ones.")] = _KEPT


class Sample(TypedDict):
    """A value at a moment."""

    name: str
    value: float
    timestamp: Time
    labels: dict[str, str]


class Gauges:
    """Reads the values of this moment."""

    def __init__(self, register: Register, folder: Path, clock: Clock) -> None:
        self._register, self._folder, self._clock = register, folder, clock
        self._last = clock.now(), time.process_time()

    def __call__(self) -> dict[str, float]:
        """Return them by name."""
        now, used = self._clock.now(), time.process_time()
        (before, used_before), self._last = self._last, (now, used)
        disk = shutil.disk_usage(self._folder)
        active = sum(each.status(now) is CertificateStatus.ACTIVE for each in self._register)
        return {
            "cpu_usage": 100 * (used - used_before) / (now - before) if now > before else 0.0,
            "memory_usage": _memory(),
            "disk_usage": 100 * disk.used / disk.total,
            "certificates": len(self._register),
            "certificates_active": active,
        }


class Metrics:
    """Samples from :meth:`start` to :meth:`stop`."""

    def __init__(self, gauges: Callable[[], dict[str, float]], clock: Clock) -> None:
        self._gauges, self._clock = gauges, clock
        self._samples: deque[tuple[float, dict[str, float]]] = deque(maxlen=_KEPT)
        self._timer: Timer | None = None

    @property
    def samples(self) -> list[tuple[float, dict[str, float]]]:
        """The moments and their values, oldest first."""
        return list(self._samples)

    def start(self) -> None:
        """Take a sample now, and one every 30 s."""
        self._samples.append((self._clock.now(), self._gauges()))
        self._timer = self._clock.call_later(_INTERVAL, self.start)

    def stop(self) -> None:
        """Take no more samples."""
        if self._timer is not None:
            self._timer.cancel()

    def operations(self) -> list[Operation]:
        """Return the operation, for the router and the document."""
        return [
            Operation(
                name="getMetrics", method="GET", path="/api/v1/metrics", run=self._get, answer=list[Sample],
                query=MetricQuery, right=Right("list", "devices"), summary="The samples of the last hour, by time.",
            )
        ]  # fmt: skip

    async def render(self, request: web.Request) -> web.StreamResponse:
        """Answer with the newest sample, in the text exposition format."""
        registry = CollectorRegistry()
        for name, value in self._samples[-1][1].items():
            Gauge(f"wasmbed_infrastructure_{name}", _SUMMARIES.get(name, name), registry=registry).set(value)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _get(self, call: Call[NoBody, MetricQuery]) -> Answer:
        query = call.query
        found: list[Sample] = [
            {"name": name, "value": value, "timestamp": format_timestamp(moment), "labels": {}}
            for moment, values in self.samples[-query.limit :]
            for name, value in values.items()
            if query.name in (None, name)
        ]
        return Answer(found)


def _memory() -> float:
    """Return the percent of the computer's memory in use."""
    with open("/proc/meminfo", encoding="ascii") as file:
        facts = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in file)}
    return 100 * (1 - facts["MemAvailable"] / facts["MemTotal"])
