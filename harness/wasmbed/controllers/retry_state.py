"""What one manager knows of an application beyond its status: what it asked just now, and what went wrong.

None of it has to survive the manager. The next one asks again, and gateways take a request twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.backoff import Backoff
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.views import DeploymentRecord

__all__ = ["AcceptedStop", "GatewayFailure", "RetryState"]

_BACKOFF = Backoff(first=0.25, longest=60.0)


@dataclass(frozen=True, slots=True)
class GatewayFailure:
    """A device's gateway failed ``failures`` times in a row; not before ``next_try`` (clock seconds) again."""

    failures: int
    next_try: float
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedStop:
    """``at`` in clock seconds; ``session`` is the device's connectedSince: a link that ends takes its stops along."""

    at: float
    session: str | None


@dataclass(slots=True)
class RetryState:
    """Of the application with that ``uid``, by device name."""

    uid: str
    requested: dict[str, str] = field(default_factory=dict)
    """Which record's request a gateway accepted, by its ``requestedAt``."""
    stops: dict[str, AcceptedStop] = field(default_factory=dict)
    """The last stop that a gateway accepted."""
    failed_attempts: dict[str, set[str]] = field(default_factory=dict)
    """The records, by ``requestedAt``, of the deployments that came to nothing in a row and are made again."""
    troubles: dict[str, GatewayFailure] = field(default_factory=dict)

    def is_confirmed(self, device: str, record: DeploymentRecord) -> bool:
        """Whether the request on record was made by this process."""
        return record.requested_at is not None and self.requested.get(device) == record.requested_at

    def add_failed_attempt(self, device: str, record: DeploymentRecord) -> int:
        """Note that the request on record came to nothing; returns how many did, each counted once."""
        records = self.failed_attempts.setdefault(device, set())
        records.add(record.requested_at or "")
        return len(records)

    def may_try(self, device: str, now: float) -> bool:
        trouble = self.troubles.get(device)
        return trouble is None or trouble.next_try <= now

    def failed(self, device: str, reason: str, now: float, randomness: Randomness) -> None:
        """The device's gateway could not be asked: later, and each time later."""
        before = self.troubles.get(device)
        failures = before.failures if before else 0
        delay = _BACKOFF.delay(failures, randomness)
        self.troubles[device] = GatewayFailure(failures + 1, now + delay, reason)

    def succeeded(self, device: str) -> None:
        self.troubles.pop(device, None)

    def next_try(self, now: float) -> float | None:
        """Seconds until the first device may be tried that may not be now."""
        return min(
            (trouble.next_try - now for trouble in self.troubles.values() if trouble.next_try > now), default=None
        )
