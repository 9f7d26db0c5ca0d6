"""Exponential backoff with jitter, the one way in which anything here waits before it retries."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.identifiers import Randomness

__all__ = ["Backoff"]

_MOST_DOUBLINGS = 32
"""Keeps the power finite; every backoff has reached its longest delay by then."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """``first`` seconds, doubled with each failure up to ``longest``, then made shorter or longer by up to half."""

    first: float
    longest: float = 30.0

    def delay(self, failures: int, randomness: Randomness) -> float:
        """Seconds to wait; ``failures`` is the number of failures before the latest one, so it counts from 0."""
        return randomness.jitter(min(self.first * 2 ** min(failures, _MOST_DOUBLINGS), self.longest))
