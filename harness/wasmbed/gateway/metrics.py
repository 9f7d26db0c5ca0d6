"""What the gateway counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from harness.wasmbed.gateway.sessions import Sessions, SessionState
from harness.wasmbed.gateway.statuses import StatusWriter

__all__ = ["Metrics"]


class Metrics:
    """One gateway's, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._sessions = Gauge("wasmbed_gateway_sessions", "Sessions by state.", ["state"], registry=registry)
        self._pending = Gauge("wasmbed_gateway_status_pending", "Objects with a status to write.", registry=registry)
        self._writes = Gauge("wasmbed_gateway_status_writes", "Status patches written so far.", registry=registry)
        self._failures = Gauge(
            "wasmbed_gateway_status_failures", "Status patches that failed so far.", registry=registry
        )
        self._rejected = Counter("wasmbed_gateway_tls_rejected", "Connections without a handshake.", registry=registry)
        self._enrollments = Counter(
            "wasmbed_gateway_enrollments", "Enrollment requests by result.", ["result"], registry=registry
        )
        self._messages = Counter(
            "wasmbed_gateway_messages", "Messages received from devices.", ["type"], registry=registry
        )
        self._jobs = Counter(
            "wasmbed_gateway_jobs", "Deployments and stops by result.", ["job", "result"], registry=registry
        )
        self._by_type: dict[type, Counter] = {}

    def tls_rejected(self) -> None:
        self._rejected.inc()

    def enrollment(self, result: str) -> None:
        """``result`` is ``ok`` or an error code."""
        self._enrollments.labels(result).inc()

    def message(self, kind: type) -> None:
        counter = self._by_type.get(kind)
        if counter is None:
            counter = self._by_type[kind] = self._messages.labels(kind.__name__)
        counter.inc()

    def job_done(self, job: str, ok: bool) -> None:
        self._jobs.labels(job, "ok" if ok else "failed").inc()

    def render(self, sessions: Sessions, writer: StatusWriter) -> bytes:
        """The text exposition format."""
        counts = dict.fromkeys(SessionState, 0)
        for session in sessions:
            counts[session.state] += 1
        for state, count in counts.items():
            self._sessions.labels(state.value).set(count)
        self._pending.set(len(writer))
        self._writes.set(writer.writes)
        self._failures.set(writer.failures)
        return generate_latest(self._registry)
