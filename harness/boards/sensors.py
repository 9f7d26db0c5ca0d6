"""Sensors whose values come from outside: what an application reads there is what a test, or a person, says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from harness.core.clock import Clock
from harness.core.errors import UsageError, reason

__all__ = ["CHANNELS", "Sensor", "read_series", "thousandths"]

CHANNELS = 8
"""Channels that take values: 0 to 7."""
_SMALLEST, _LARGEST = -(1 << 31), (1 << 31) - 1


class Settable(Protocol):
    """The part of a board that a sensor needs."""

    async def set_sensor(self, channel: int, value: int | None) -> None:
        """Let readings of a channel be ``value``, in thousandths; None: the board makes them."""


class Sensor:
    """One channel of a board, as :meth:`Board.sensor` gives it."""

    def __init__(self, board: Settable, channel: int) -> None:
        self._board, self._channel = board, channel

    async def set(self, value: float) -> None:
        """Let each further reading be ``value``, in the sensor's unit: an application gets thousandths of it. It stays
        when the board restarts."""
        await self._board.set_sensor(self._channel, thousandths(value))

    async def release(self) -> None:
        """Let the board make the readings again, as it does without :meth:`set`."""
        await self._board.set_sensor(self._channel, None)

    async def play(self, series: Iterable[tuple[float, float]] | Path, clock: Clock) -> None:
        """Set values at their times, (seconds from now, value) in order, or those of a CSV file; see
        :func:`read_series`. Returns after the last one."""
        began = clock.now()
        for at, value in [*(read_series(series) if isinstance(series, Path) else series)]:
            await clock.sleep(max(0.0, began + at - clock.now()))
            await self.set(value)


def thousandths(value: float) -> int:
    """A value as an application reads it. Raises UsageError if it does not fit."""
    try:
        number = round(value * 1000)
    except (ValueError, OverflowError):
        number = _LARGEST + 1
    if not _SMALLEST <= number <= _LARGEST:
        what, do = f"{value} does not fit a sensor", f"give one between {_SMALLEST / 1000:,} and {_LARGEST / 1000:,}"
        raise UsageError(what, do=do)
    return number


def read_series(path: Path) -> Iterator[tuple[float, float]]:
    """Yield the lines of a CSV file: seconds from its begin, and the value then. A first line with names is skipped.

    Raises UsageError for a file that cannot be read, and for a line that does not fit, with its number.
    """
    try:
        lines = list(csv.reader(path.read_text("utf-8").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        do = "name a CSV file with two columns, seconds and value"
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do=do) from error
    before = 0.0
    for number, line in enumerate(lines, start=1):
        try:
            at, value = (float(each) for each in line)
            thousandths(value)
        except (ValueError, UsageError) as error:
            if number == 1 and len(line) == 2 and not isinstance(error, UsageError):
                continue
            do = "write seconds and value: 1.5,21.25"
            raise UsageError(f"does not fit: {','.join(line)!r}", where=f"{path}:{number}", do=do) from error
        if not before <= at < float("inf"):
            raise UsageError(f"is before the line above: {at:g} s", where=f"{path}:{number}", do="put times in order")
        before = at
        yield at, value
