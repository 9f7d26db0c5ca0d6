"""What a request may cost: a body of 3 MiB can ask for hours of work, by a schema with many alternatives, a default
that is filled in a million times, a pattern that has to be tried at every character.

The work is counted, not timed, so that the same request always gets the same answer.
"""

from __future__ import annotations

__all__ = ["STEPS", "Budget", "OutOfBudget"]

STEPS = 2_000_000
"""Steps of about a microsecond. The largest plain body takes 1.5 million: one for each value in it."""


class OutOfBudget(Exception):
    """The request asks for more work than one may. ``path``: the field at which that was noticed."""

    def __init__(self, path: str = "") -> None:
        super().__init__(path)
        self.path = path


class Budget:
    """The steps that one request has left."""

    __slots__ = ("_left",)

    def __init__(self, steps: int = STEPS) -> None:
        self._left = steps

    def spend(self, steps: int, path: str = "") -> None:
        """Take ``steps``. Raises :class:`OutOfBudget` when they are not there."""
        self._left -= steps
        if self._left < 0:
            raise OutOfBudget(path)
