"""A figure and what it is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured ``value``, the ``peer``'s in the same run, and what the two must keep to.

    ``holds`` judges (value, ratio); ``wanted`` says the same in words.
    """

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float
    wanted: str = ""
    holds: Callable[[float, float], bool] = lambda value, ratio: True

    @property
    def ratio(self) -> float:
        return self.value / self.peer_value if self.peer_value else 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": round(self.peer_value, 4),
            "ratio": round(self.ratio, 4),
            "wanted": self.wanted,
            "kept": self.holds(self.value, self.ratio),
        }


def middle(rounds: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Of an odd number of (value, peer value) rounds, the one with the median ratio: both from the same moment."""
    ordered = sorted(rounds, key=lambda pair: pair[0] / pair[1])
    return ordered[len(ordered) // 2]
