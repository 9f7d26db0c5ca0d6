"""One manager's knowledge of an application beyond its status: accepted requests and failures.

None of it has to survive the manager. The next manager asks again, and gateways accept a repeated request.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.backoff import Backoff
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.views import DeploymentRecord

__all__ = ["AcceptedStop", "GatewayFailure", "RetryState"]

_BACKOFF = Backoff(first=0.25, longest=60.0)
_RESTART_BACKOFF = Backoff(first=1.0, longest=300.0)


@dataclass(frozen=True, slots=True)
class GatewayFailure:
    """A device's gateway failed ``failures`` times in a row; the next try is at ``next_try`` (clock seconds)."""

    failures: int
    next_try: float
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedStop:
    """A stop that a gateway accepted ``at`` a moment (clock seconds).

    ``session`` is the device's connectedSince then: if the link ends, its stops are lost. ``reported`` is when the
    device's entry had been updated, and ``tries`` counts the stops in a row that were not confirmed in time.
    """

    at: float
    session: str | None
    reported: str | None = None
    tries: int = 1


@dataclass(slots=True)
class RetryState:
    """The requests and failures of the application ``uid``, by device name."""

    uid: str
    requested: dict[str, str] = field(default_factory=dict)
    """The ``requestedAt`` of the request that a gateway accepted."""
    stops: dict[str, AcceptedStop] = field(default_factory=dict)
    """The last stop that a gateway accepted."""
    failed_attempts: dict[str, set[str]] = field(default_factory=dict)
    """The ``requestedAt`` of the deployments that failed in a row and are repeated."""
    gateway_failures: dict[str, GatewayFailure] = field(default_factory=dict)
    restarts: dict[str, tuple[str | None, float]] = field(default_factory=dict)
    """The ``requestedAt`` of the deployment that failed at run time, and the clock seconds of the next."""

    def is_confirmed(self, device: str, record: DeploymentRecord) -> bool:
        """Whether the request on record was made by this process."""
        return record.requested_at is not None and self.requested.get(device) == record.requested_at

    def add_failed_attempt(self, device: str, record: DeploymentRecord) -> int:
        """Note that the request on record failed; returns the number of failed ones, each counted once."""
        records = self.failed_attempts.setdefault(device, set())
        records.add(record.requested_at or "")
        return len(records)

    def may_try(self, device: str, now: float) -> bool:
        """Whether the device's gateway may be asked now, after its last failure."""
        failure = self.gateway_failures.get(device)
        return failure is None or failure.next_try <= now

    def failed(self, device: str, reason: str, now: float, randomness: Randomness) -> None:
        """Note that the device's gateway could not be asked; the next try waits longer each time."""
        before = self.gateway_failures.get(device)
        failures = before.failures if before else 0
        delay = _BACKOFF.delay(failures, randomness)
        self.gateway_failures[device] = GatewayFailure(failures + 1, now + delay, reason)

    def succeeded(self, device: str) -> None:
        """Note that the device's gateway has answered."""
        self.gateway_failures.pop(device, None)

    def may_restart(self, device: str, record: DeploymentRecord, now: float, randomness: Randomness) -> bool:
        """Whether the pause is over since this manager saw the deployment on record fail at run time. The pause grows
        with each restart; times of other machines do not count."""
        failed, at = self.restarts.get(device, (None, 0.0))
        if failed is None or failed != record.requested_at:
            at = now + _RESTART_BACKOFF.delay(record.restarts, randomness)
            self.restarts[device] = (record.requested_at, at)
        return at <= now

    def next_try(self, now: float) -> float | None:
        """Return the seconds until the next device may be tried; None if no device has to wait."""
        tries = [failure.next_try for failure in self.gateway_failures.values()]
        tries += [at for _, at in self.restarts.values()]
        return min((at - now for at in tries if at > now), default=None)
