"""Which of several gateways serves a device.

Every gateway computes it from the same record and comes to the same answer, so nobody has to coordinate. Rendezvous
hashing (Thaler and Ravishankar, 1998) moves only the devices of a gateway that goes, and only to one that comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["Candidate", "choose_home"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A gateway that is Online. ``capacity`` is the largest number of devices, None without a bound."""

    name: str
    endpoint: str
    connected: int = 0
    capacity: int | None = None

    @property
    def has_room(self) -> bool:
        """Whether it takes one more device."""
        return self.capacity is None or self.connected < self.capacity


def choose_home(device: str, preferred: str | None, candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the gateway for ``device`` among those that have room: the ``preferred`` one, else the one of the largest
    weight. None if all are full."""
    free = [candidate for candidate in candidates if candidate.has_room]
    for candidate in free:
        if candidate.name == preferred:
            return candidate
    return max(free, key=lambda candidate: _weight(device, candidate.name), default=None)


def _weight(device: str, gateway: str) -> bytes:
    return sha256(f"{device}/{gateway}".encode()).digest()
