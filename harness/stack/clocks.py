"""The clocks of the platform's parts, which a test makes wrong: each part runs on a machine of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.core.clock import Clock
from harness.core.errors import UsageError, suggestion
from harness.core.skewed_clock import SkewedClock

__all__ = ["Clocks"]

PARTS = ("ControllerManager", "Gateway")


class Clocks:
    """The clocks of the controllers (``ControllerManager``) and of gateways in this process (``Gateway``).

    ``note`` records that one is made wrong.
    """

    def __init__(self, clock: Clock, note: Callable[..., object]) -> None:
        self._note = note
        self._clocks = {part: SkewedClock(clock) for part in PARTS}

    def __getitem__(self, part: str) -> Clock:
        """The clock of a part. Raises UsageError for a part that has none."""
        return self._of(part)

    @contextmanager
    def skewed(self, part: str, seconds: float) -> Iterator[None]:
        """Inside, the clock of a part is ahead by some ``seconds``, or behind if they are negative."""
        clock = self._of(part)
        self._note("clock is wrong", part, ahead=seconds)
        clock.ahead += seconds
        try:
            yield
        finally:
            clock.ahead -= seconds
            self._note("clock is right", part)

    def _of(self, part: str) -> SkewedClock:
        if part not in self._clocks:
            do = f"{suggestion(part, PARTS)}the parts are {', '.join(PARTS)}"
            raise UsageError(f"{part!r} has no clock of its own", where="where", do=do)
        return self._clocks[part]
