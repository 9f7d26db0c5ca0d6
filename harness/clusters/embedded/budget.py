"""A limit on the work that one request causes.

A body of 3 MiB can cause hours of work: by a schema with many alternatives, a default that is filled in a million
times, a pattern that has to be tried at every character. The work is counted and not timed, so that the same request
always gets the same answer.
"""

from __future__ import annotations

__all__ = ["STEPS", "Budget", "OutOfBudget"]

STEPS = 2_000_000
"""The steps that a request may take, each about a microsecond. The largest plain body takes 1.5 million: one for each
of its values."""


class OutOfBudget(Exception):
    """A request causes more work than one request may. ``path`` is the field at which the budget was spent."""

    def __init__(self, path: str = "") -> None:
        super().__init__(path)
        self.path = path


class Budget:
    """The steps that one request has left."""

    __slots__ = ("_left", "_steps")

    def __init__(self, steps: int = STEPS) -> None:
        self._left = self._steps = steps

    @property
    def spent(self) -> int:
        """The steps that it took."""
        return self._steps - self._left

    def spend(self, steps: int, path: str = "") -> None:
        """Take ``steps``. Raises :class:`OutOfBudget` when they are not there."""
        self._left -= steps
        if self._left < 0:
            raise OutOfBudget(path)
