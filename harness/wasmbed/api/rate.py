"""How often a caller may ask: a token bucket for each."""

from __future__ import annotations

from collections import OrderedDict

from harness.core.clock import Clock
from harness.wasmbed.api.problems import Problem

__all__ = ["Rates"]

_CALLERS = 4096
"""Callers whose buckets are kept, the latest; a forgotten one begins anew."""


class Rates:
    """``rate`` requests a second, ``burst`` at once."""

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self._clock, self._rate, self._burst = clock, rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By caller, what was left in the bucket, and when."""

    def take(self, caller: str) -> None:
        """Count one request. Raises :class:`Problem` 429, with the time to wait."""
        now = self._clock.now()
        left, since = self._buckets.get(caller, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        allowed = left >= 1
        self._buckets[caller] = left - allowed, now
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = max(1, round((1 - left) / self._rate))
            detail = f"{caller} asks more often than {self._rate:g} times a second; wait {wait} s"
            raise Problem(429, detail, headers={"Retry-After": str(wait)})
