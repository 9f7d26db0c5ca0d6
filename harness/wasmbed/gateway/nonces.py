"""Bounded sets of nonces and message ids, which detect replayed messages."""

from __future__ import annotations

from array import array
from hashlib import blake2b

__all__ = ["NonceMemory", "RecentIds"]

_RECENT = 64
"""Ids kept for each session: half an hour of heartbeats at the default interval, in 256 bytes."""


class RecentIds:
    """The last message ids of one session; the oldest are forgotten first."""

    __slots__ = ("_ids", "_next")

    def __init__(self) -> None:
        self._ids = array("I")
        self._next = 0

    def is_fresh(self, message_id: int) -> bool:
        """Return whether ``message_id`` is new, and keep it."""
        if message_id in self._ids:
            return False
        if len(self._ids) < _RECENT:
            self._ids.append(message_id)
        else:
            self._ids[self._next] = message_id
            self._next = (self._next + 1) % _RECENT
        return True


class NonceMemory:
    """The last ``capacity`` nonces, each with the device it came from; the oldest are forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._seen: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def is_fresh(self, device: str, nonce: bytes) -> bool:
        """Return whether ``nonce`` of ``device`` is new, and keep it."""
        key = blake2b(nonce, digest_size=16, key=blake2b(device.encode(), digest_size=32).digest()).digest()
        if key in self._seen:
            return False
        if len(self._seen) >= self._capacity:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None
        return True
