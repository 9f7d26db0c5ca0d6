"""Times in which the API server cannot be reached: many parts of a program notice one, and it is reported once."""

from __future__ import annotations

import asyncio
import logging

from harness.core.clock import Clock
from harness.core.logs import get_log

__all__ = ["OutageLog", "Unreachable", "severity"]

log = get_log(__name__)


class Unreachable(ConnectionError):
    """The API server cannot be reached, and an :class:`OutageLog` has reported it."""


def severity(error: Exception) -> int:
    """The level at which a part that tries again logs an error."""
    return logging.DEBUG if isinstance(error, Unreachable) else logging.WARNING


class OutageLog:
    """Logs the beginning and the end of each outage; all clients of one API server share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = 0.0
        self._why = ""
        self._down, self._up = asyncio.Event(), asyncio.Event()

    def failed(self, server: str, why: str) -> None:
        """A request got no answer."""
        self._why = why
        if self._down.is_set():
            return
        self._since = self._clock.now()
        self._down.set()
        self._up.clear()
        log.warning("the Kubernetes API at %s does not answer: %s; trying again", server, why)

    def answered(self, server: str) -> None:
        """A request got an answer, whatever it was."""
        if not self._down.is_set():
            return
        self._down.clear()
        self._up.set()
        log.warning("the Kubernetes API at %s answers again, after %.1f s", server, self._clock.now() - self._since)

    async def lasts(self, seconds: float) -> str:
        """Wait for an outage that lasts so long, and return why the last request failed."""
        while True:
            await self._down.wait()
            try:
                async with self._clock.deadline(seconds):
                    await self._up.wait()
            except TimeoutError:
                return self._why
