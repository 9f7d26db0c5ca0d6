"""A log for lines that many peers can cause: it writes the first few of a kind and one line that counts the rest."""

from __future__ import annotations

import logging

from harness.core.clock import Clock, Timer

__all__ = ["SummedLog"]


class SummedLog:
    """Writes to ``log``: of each kind at most ``first`` lines in ``window`` seconds, then one line with the count.

    The kind of a line is its format string, so the number of kinds is bounded by the code.
    """

    def __init__(self, log: logging.Logger, clock: Clock, *, first: int = 10, window: float = 10.0) -> None:
        self._log, self._clock, self._first, self._window = log, clock, first, window
        self._kinds: dict[str, _Kind] = {}

    def info(self, text: str, *arguments: object) -> None:
        self._write(logging.INFO, text, arguments)

    def warning(self, text: str, *arguments: object) -> None:
        self._write(logging.WARNING, text, arguments)

    def close(self) -> None:
        """Write the counts so far."""
        for text in tuple(self._kinds):
            self._sum_up(text)

    def _write(self, level: int, text: str, arguments: tuple[object, ...]) -> None:
        if not self._log.isEnabledFor(level):
            return
        kind = self._kinds.get(text)
        if kind is None:
            timer = self._clock.call_later(self._window, lambda: self._sum_up(text))
            kind = self._kinds[text] = _Kind(level, timer)
        kind.lines += 1
        kind.last = arguments
        if kind.lines <= self._first:
            self._log.log(level, text, *arguments)

    def _sum_up(self, text: str) -> None:
        kind = self._kinds.pop(text)
        kind.timer.cancel()
        if kind.lines > self._first:
            left_out = kind.lines - self._first
            line = f"{text} (the last of %d more such lines in %g s)"
            self._log.log(kind.level, line, *kind.last, left_out, self._window)


class _Kind:
    __slots__ = ("last", "level", "lines", "timer")

    def __init__(self, level: int, timer: Timer) -> None:
        self.level, self.timer = level, timer
        self.lines = 0
        self.last: tuple[object, ...] = ()
