"""Randomness and the identifiers made from it, in one place so that a run can be seeded."""

from __future__ import annotations

import random
from uuid import UUID

__all__ = ["Randomness"]


class Randomness:
    """A source of random values: the operating system's, or a repeatable one when given a ``seed``.

    The repeatable one is for simulation: key material must never come from it.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311

    def bytes(self, count: int) -> bytes:
        """``count`` random bytes."""
        return self._random.randbytes(count)

    def uuid(self) -> str:
        """A version 4 UUID in its text form (RFC 9562)."""
        return str(UUID(bytes=self.bytes(16), version=4))

    def token(self, count: int = 16) -> str:
        """``count`` random bytes as lower-case hex, fit for a name or a one-time secret."""
        return self.bytes(count).hex()

    def jitter(self, seconds: float, share: float = 0.5) -> float:
        """``seconds`` made shorter or longer by up to ``share`` of itself, so that a fleet does not march in step."""
        return seconds * (1 + share * (2 * self._random.random() - 1))

    def fork(self, name: str) -> Randomness:
        """A source of its own for ``name``; seeded ones stay repeatable whatever order they are used in."""
        return Randomness(None if self.seed is None else random.Random(f"{self.seed}/{name}").getrandbits(64))  # noqa: S311
