"""The memory that tells a fresh enrollment request from one that was recorded and sent again."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["NonceMemory"]


class NonceMemory:
    """The last ``capacity`` nonces, each with the device it came from; the oldest are forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._seen: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def is_fresh(self, device: str, nonce: bytes) -> bool:
        """Whether ``device`` has not used ``nonce`` before; from now on it has."""
        key = blake2b(nonce, digest_size=16, key=blake2b(device.encode(), digest_size=32).digest()).digest()
        if key in self._seen:
            return False
        if len(self._seen) >= self._capacity:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None
        return True
