"""Randomness and the identifiers made from it, in one place, so that a run can be repeated from a seed."""

from __future__ import annotations

import random
from uuid import UUID

__all__ = ["Randomness"]


class Randomness:
    """A source of random values: the operating system's, or with a ``seed`` a repeatable one.

    The repeatable source is for simulation. Key material must never come from it.
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
        """``count`` random bytes as lower-case hex, for a name or a one-time secret."""
        return self.bytes(count).hex()

    def jitter(self, seconds: float, share: float = 0.5) -> float:
        """``seconds`` made shorter or longer by up to ``share`` of itself, so that a fleet does not act all at once."""
        return seconds * (1 + share * (2 * self._random.random() - 1))

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` - 1."""
        return self._random.randrange(count)

    def fork(self, name: str) -> Randomness:
        """A separate source for ``name``. With a seed, its values do not depend on the order of use."""
        return Randomness(None if self.seed is None else random.Random(f"{self.seed}/{name}").getrandbits(64))  # noqa: S311
