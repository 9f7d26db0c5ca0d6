"""The places for enrollments under way: they bound the cost of enrolling devices, and are given in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness.core.clock import Clock
from harness.core.places import Places
from harness.wasmbed.gateway.refusals import try_again
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.errors import LinkClosed

__all__ = ["EnrollmentPlaces"]


class EnrollmentPlaces:
    """``settings.enrollments`` places, first come first served. The listener watches :attr:`places` too."""

    def __init__(self, settings: GatewaySettings, clock: Clock, sessions: Sessions) -> None:
        self._settings, self._clock, self._sessions = settings, clock, sessions
        self.places = Places(settings.enrollments)

    @asynccontextmanager
    async def take(self, session: Session) -> AsyncIterator[None]:
        """Hold a place for the enrollment of ``session``.

        Raises :class:`PeerRefused` when no place is free in time, and :class:`LinkClosed` when the device has left.
        """
        try:
            async with self._clock.deadline(self._settings.enrollment_wait):
                place = await self.places.take()
        except TimeoutError as error:
            raise try_again("too many devices are enrolling", self._sessions.retry_after()) from error
        began = self._clock.now()
        try:
            if session.link.closed:
                raise LinkClosed("the device left before its enrollment began", by_peer=True)
            yield
        finally:
            duration = self._clock.now() - began
            self.places.give_back(place, in_time=duration < self._settings.enrollment_timeout)
