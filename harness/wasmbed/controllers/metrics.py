"""The metrics of a manager of controllers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harness.wasmbed.controllers.controller import Controller

__all__ = ["ManagerMetrics", "MeasuredManager"]

_PREFIX = "wasmbed_controllers"


class MeasuredManager(Protocol):
    """The part of a manager that its metrics read."""

    @property
    def leading(self) -> bool:
        """Whether it holds its lease."""

    @property
    def controllers(self) -> Sequence[Controller]:
        """The controllers that it runs."""


class ManagerMetrics(Collector):
    """Read from the manager when they are asked for, in a registry of their own."""

    def __init__(self, manager: MeasuredManager) -> None:
        self._manager = manager
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """Return the metrics in the text exposition format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Return the metrics; the registry calls this."""
        manager = self._manager
        yield GaugeMetricFamily(f"{_PREFIX}_leading", "1 while this manager holds the lease.", int(manager.leading))
        queued = GaugeMetricFamily(f"{_PREFIX}_queue", "Keys that wait for a worker.", labels=["controller"])
        done = CounterMetricFamily(
            f"{_PREFIX}_reconciliations", "Reconciliations by result.", labels=["controller", "result"]
        )
        for controller in manager.controllers:
            queued.add_metric([controller.name], len(controller.queue))
            for result, count in sorted(controller.outcomes.items()):
                done.add_metric([controller.name, result], count)
        yield queued
        yield done
