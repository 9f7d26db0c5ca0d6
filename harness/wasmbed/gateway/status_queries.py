"""The present state of an application on a device, on request, without waiting for the device's next report."""

from __future__ import annotations

import asyncio

from harness.core.clock import Clock
from harness.wasmbed.gateway.deployments import NotConnected
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import ApplicationStatus, ApplicationStatusRequest

__all__ = ["StatusQueries"]


class StatusQueries:
    """Status requests that devices have not answered yet."""

    def __init__(self, sessions: Sessions, settings: GatewaySettings, clock: Clock) -> None:
        self._sessions, self._settings, self._clock = sessions, settings, clock
        self._open: dict[tuple[Session, int], asyncio.Future[ApplicationStatus]] = {}

    async def ask(self, application: str, device: str) -> ApplicationStatus:
        """Return the device's answer. Raises :class:`NotConnected`, or :class:`TimeoutError` if it does not answer."""
        session = self._sessions.connected(device)
        if session is None:
            raise NotConnected(f"device {device} has no session at this gateway")
        try:
            key = session, session.link.send(ApplicationStatusRequest(application))
        except LinkClosed as error:
            raise NotConnected(f"the link of device {device} has just ended") from error
        answer: asyncio.Future[ApplicationStatus] = asyncio.get_running_loop().create_future()
        self._open[key] = answer
        try:
            async with self._clock.deadline(self._settings.reply_timeout):
                return await answer
        finally:
            del self._open[key]

    def feed(self, session: Session, message_id: int, status: ApplicationStatus) -> bool:
        """Take ``status`` if it is an answer."""
        answer = self._open.get((session, message_id))
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(status)
        return True
