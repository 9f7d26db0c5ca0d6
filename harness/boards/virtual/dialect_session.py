"""The board's side of a connection in a dialect of the original: what has a meaning there, and nothing else.

In ``u`` a device is known by its certificate and sends heartbeats. In ``r`` it enrolls with its key first, says what it
is, and takes deployments and stops. Errors and resumption are not part of either.
"""

from __future__ import annotations

from uuid import UUID

from harness.boards.virtual.dialect_applications import announced, reported
from harness.boards.virtual.flash import Flash
from harness.boards.virtual.session import MISSED_HEARTBEATS, RESPONSE_TIME, Device, Rejected, SessionMemory
from harness.core.clock import Clock, Timer
from harness.wasmbed.protocol.dialects.messages import (
    BareHeartbeat,
    BareHeartbeatAcknowledgment,
    DeployModule,
    DeviceUuid,
    DialectMessage,
    EnrollmentAccepted,
    EnrollmentCompleted,
    EnrollmentRejected,
    EnrollmentStart,
    PublicKey,
    UuidAcknowledgment,
)
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import ApplicationStatusRequest, DeviceInfoRequest, DeviceMessage, Stop
from harness.wasmbed.runtime.interface import LogLevel

__all__ = ["DialectSession"]

_NO_ID = 0
"""Bare messages have no ids."""


class DialectSession:
    """From the handshake to the end of the link, as :class:`~harness.boards.virtual.session.BoardSession`."""

    def __init__(
        self, link: Link, device: Device, memory: SessionMemory, flash: Flash, clock: Clock, *, enrolls: bool
    ) -> None:
        self._link, self._device, self._memory, self._flash, self._clock = link, device, memory, flash, clock
        self._enrolls = enrolls
        self._timer: Timer | None = None
        self._unanswered = 0
        self.established = False
        """Whether the gateway has answered a heartbeat."""
        self.retry_after: float | None = None
        """The dialects have no such answer."""

    async def run(self) -> None:
        """Serve the link until it ends. Raises as :meth:`BoardSession.run` does."""
        try:
            if self._enrolls and self._memory.device_id is None:
                await self._enroll()
            self._beat()
            while True:
                await self._handle(await self._receive())
                await self._link.drain()
        finally:
            self._set_timer(None)

    def send(self, message: DeviceMessage, message_id: int | None = None) -> bool:
        """Send what applications say, as far as the dialect has words for it; False: the link is closed."""
        said = reported(message) if self._enrolls else None
        if said is None:
            return True
        try:
            self._send(said)
        except LinkClosed:
            return False
        return True

    async def _enroll(self) -> None:
        self._set_timer(self._clock.call_later(RESPONSE_TIME, lambda: self._link.abort("no answer to the enrollment")))
        self._send(EnrollmentStart())
        await self._expect(EnrollmentAccepted)
        self._send(PublicKey(self._flash.public_key))
        given = await self._expect(DeviceUuid)
        self._send(UuidAcknowledgment())
        await self._expect(EnrollmentCompleted)
        assert isinstance(given, DeviceUuid)
        self._memory.device_id = str(UUID(bytes=given.uuid))
        self._device.say(f"enrollment: enrolled as {self._memory.device_id}")

    async def _receive(self) -> object:
        """The next message. A device of the fork takes no notice of what it does not understand; without an error to
        send, the other one can only end the link."""
        while True:
            try:
                return (await self._link.receive()).message
            except ProtocolError as error:
                if not self._enrolls:
                    raise Rejected(f"the gateway broke the protocol: {error.reason}") from error
                self._device.say(f"link: not understood: {error.reason}", LogLevel.WARNING)

    async def _expect(self, kind: type[DialectMessage]) -> DialectMessage:
        message = await self._receive()
        if isinstance(message, EnrollmentRejected):
            raise Rejected(f"enrollment refused: {message.reason}")
        if not isinstance(message, kind):
            raise Rejected(f"the gateway sent {type(message).__name__} instead of {kind.__name__}")
        return message

    async def _handle(self, message: object) -> None:
        if isinstance(message, BareHeartbeatAcknowledgment):
            self._unanswered = 0
            if not self.established:
                self.established = True
                self._device.connected()
        elif isinstance(message, DeviceInfoRequest):
            self._link.send(self._device.information())
        elif isinstance(message, DeployModule):
            for command in announced(message):
                await self._device.obey(command, _NO_ID)
        elif isinstance(message, Stop | ApplicationStatusRequest):
            await self._device.obey(message, _NO_ID)
        else:
            self._device.say(f"link: {type(message).__name__} has no meaning here", LogLevel.WARNING)

    def _beat(self) -> None:
        if self._link.closed:
            return
        if self._unanswered >= MISSED_HEARTBEATS:
            self._link.abort(f"{MISSED_HEARTBEATS} heartbeats were not answered")
            return
        self._unanswered += 1
        self._set_timer(self._clock.call_later(self._memory.heartbeat_interval, self._beat))
        self._send(BareHeartbeat())

    def _send(self, message: DialectMessage) -> None:
        self._link.send(message)  # type: ignore[arg-type]

    def _set_timer(self, timer: Timer | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
