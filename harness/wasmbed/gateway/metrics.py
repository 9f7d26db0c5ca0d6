"""The gateway's metrics for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harness.wasmbed.gateway.session import SessionState
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_writer import StatusWriter

__all__ = ["Metrics"]

_PREFIX = "wasmbed_gateway"


class Metrics(Collector):
    """The metrics of one gateway, in a registry of its own: counters, and gauges that are read from its parts."""

    def __init__(self, settings: GatewaySettings, sessions: Sessions, writer: StatusWriter) -> None:
        self._settings, self._sessions, self._writer = settings, sessions, writer
        self._registry = CollectorRegistry()
        self._rejected = self._counter("tls_rejected", "Connections that did not get through the handshake.")
        self._enrollments = self._counter("enrollments", "Enrollment requests by result.", "result")
        self._messages = self._counter("messages", "Messages received from devices.", "type")
        self._jobs = self._counter("jobs", "Deployments and stops by result.", "job", "result")
        self._by_type: dict[type, Counter] = {}
        self._registry.register(self)

    def tls_rejected(self) -> None:
        self._rejected.inc()

    def enrollment(self, result: str) -> None:
        """``result`` is ``ok``, ``paired`` or an error code."""
        self._enrollments.labels(result).inc()

    def message(self, kind: type) -> None:
        counter = self._by_type.get(kind)
        if counter is None:
            counter = self._by_type[kind] = self._messages.labels(kind.__name__)
        counter.inc()

    def job_done(self, job: str, result: str) -> None:
        """``result`` is ``ok``, ``failed`` or ``cancelled``."""
        self._jobs.labels(job, result).inc()

    def render(self) -> bytes:
        """Return the metrics in the text exposition format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Return the metrics that are read from other parts; the registry calls this."""
        counts = Tally(session.state for session in self._sessions)
        sessions = GaugeMetricFamily(f"{_PREFIX}_sessions", "Sessions by state.", labels=["state"])
        for state in SessionState:
            sessions.add_metric([state.value], counts[state])
        yield sessions
        yield GaugeMetricFamily(f"{_PREFIX}_capacity", "Devices that it can serve at once.", self._sessions.most)
        yield GaugeMetricFamily(f"{_PREFIX}_status_pending", "Objects with a status to write.", len(self._writer))
        yield CounterMetricFamily(f"{_PREFIX}_status_writes", "Status patches accepted.", self._writer.writes)
        yield CounterMetricFamily(f"{_PREFIX}_status_failures", "Status patches that failed.", self._writer.failures)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", documentation, labels, registry=self._registry)
