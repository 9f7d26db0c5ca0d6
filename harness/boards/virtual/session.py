"""The board's side of one connection to the gateway: enrollment or resumption, heartbeats, and the gateway's
requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.boards.endpoint import parse_endpoint
from harness.boards.virtual.flash import Flash
from harness.core.clock import Clock, Timer
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.protocol.errors import LinkClosed, UnknownTag
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import (
    ApplicationStatusRequest,
    Deploy,
    DeviceInfo,
    DeviceInfoRequest,
    DeviceMessage,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Envelope,
    Error,
    ErrorCode,
    Heartbeat,
    HeartbeatAcknowledgment,
    ModuleChunk,
    Stop,
)
from harness.wasmbed.runtime.interface import LogLevel

__all__ = [
    "MISSED_HEARTBEATS",
    "BoardSession",
    "CertificateStored",
    "Device",
    "Reassigned",
    "Rejected",
    "SessionMemory",
]

MISSED_HEARTBEATS = 3
"""Unanswered heartbeats after which the board gives up the link."""
RESPONSE_TIME = 30.0
"""Seconds within which an enrollment request has to be answered."""
NONCE_SIZE = 16

Command = Deploy | ModuleChunk | Stop | ApplicationStatusRequest


@dataclass(slots=True)
class SessionMemory:
    """State that is kept between connections, until a reset."""

    device_id: str | None = None
    heartbeat_interval: float = 30.0
    """Seconds between two heartbeats."""


class Device(Protocol):
    """The part of the firmware that a session uses."""

    def enrollment_request(self, nonce: bytes, csr: bytes | None, token: str | None) -> EnrollmentRequest: ...
    def heartbeat(self, device_id: str) -> Heartbeat: ...
    def information(self) -> DeviceInfo: ...
    async def obey(self, command: Command, message_id: int) -> None:
        """Carry out a request of the gateway about applications, and answer it."""

    def connected(self) -> None:
        """The gateway has answered the first heartbeat of a session."""

    def disconnected(self) -> None:
        """A session has ended."""

    def say(self, text: str, level: LogLevel = LogLevel.INFO) -> None: ...
    def panicked(self, error: BaseException) -> None:
        """An error in the board's own code has ended its connection for ever."""


class CertificateStored(Exception):
    """The signing request was answered: the board has to connect again, with the certificate."""


class Reassigned(Exception):
    """The board is enrolled, and is to be served by the gateway at ``home``."""

    def __init__(self, home: Endpoint) -> None:
        super().__init__(home)
        self.home = home


class Rejected(Exception):
    """The gateway refused to enroll this board; ``retry_after`` is in seconds, None without one."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class BoardSession:
    """From the handshake to the end of the link."""

    __slots__ = (
        "_clock",
        "_device",
        "_enrolling",
        "_flash",
        "_link",
        "_memory",
        "_randomness",
        "_timer",
        "_unanswered",
        "established",
        "retry_after",
    )

    def __init__(
        self, link: Link, device: Device, memory: SessionMemory, flash: Flash, clock: Clock, randomness: Randomness
    ) -> None:
        self._link, self._device, self._memory, self._flash = link, device, memory, flash
        self._clock, self._randomness = clock, randomness
        self._timer: Timer | None = None
        self._enrolling = False
        self._unanswered = 0
        self.established = False
        """Whether the gateway has answered a heartbeat."""
        self.retry_after: float | None = None
        """Seconds that the gateway requested before the next attempt."""

    @property
    def enrolled(self) -> bool:
        """Whether the board is enrolled on this link, so that it may send other messages than its enrollment."""
        return self._memory.device_id is not None and not self._enrolling

    async def run(self) -> None:
        """Serve the link until it ends.

        Raises :class:`LinkClosed`, :class:`ProtocolError` for a message that breaks the contract, and
        :class:`Rejected`, :class:`Reassigned` or :class:`CertificateStored`, after which the link is the caller's to
        close.
        """
        try:
            if self._memory.device_id is None:
                self._enroll()
            else:
                self._device.say(f"link: resuming as {self._memory.device_id}")
                self._send_heartbeat()
            while True:
                await self._step()
        finally:
            self._set_timer(None)

    def send(self, message: DeviceMessage, message_id: int | None = None) -> bool:
        """Send a message for an application; False: the board is not enrolled, or the link is closed."""
        if not self.enrolled:
            return False
        try:
            self._link.send(message, message_id)
        except LinkClosed:
            return False
        return True

    async def _step(self) -> None:
        try:
            envelope = await self._link.receive()
        except UnknownTag as error:
            self._device.say(f"link: {error.reason} from the gateway", LogLevel.WARNING)
            self._link.send(error.to_message(), error.message_id)
        else:
            await self._handle(envelope)
        await self._link.drain()

    async def _handle(self, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, HeartbeatAcknowledgment):
            self._acknowledged()
        elif isinstance(message, Error):
            self._refused(message)
        elif isinstance(message, EnrollmentResponse) and self._enrolling:
            self._enrolled(message, envelope.message_id)
        elif isinstance(message, DeviceInfoRequest) and self.enrolled:
            self._link.send(self._device.information(), envelope.message_id)
        elif isinstance(message, Command) and self.enrolled:
            await self._device.obey(message, envelope.message_id)
        else:
            reason = f"{type(message).__name__} {'before' if self._enrolling else 'after'} the enrollment"
            self._device.say(f"link: unexpected {reason}", LogLevel.WARNING)
            self._link.send(Error(ErrorCode.PROTOCOL_ERROR, reason), envelope.message_id)

    def _enroll(self) -> None:
        self._enrolling = True
        nonce = self._randomness.bytes(NONCE_SIZE)
        if self._flash.has_certificate:
            self._device.say("enrollment: requested with certificate")
            request = self._device.enrollment_request(nonce, None, None)
        else:
            self._device.say("enrollment: requested with signing request")
            csr = self._flash.signing_request()
            request = self._device.enrollment_request(nonce, csr, self._flash.pairing_token)
        self._link.send(request)
        self._set_timer(self._clock.call_later(RESPONSE_TIME, self._unanswered_request))

    def _unanswered_request(self) -> None:
        self._link.abort(f"no answer to the enrollment request for {RESPONSE_TIME:g} s")

    def _enrolled(self, response: EnrollmentResponse, message_id: int) -> None:
        self._set_timer(None)
        if not self._flash.has_certificate:
            self._store(response.certificate)
            raise CertificateStored
        if not response.heartbeat_interval:
            raise Rejected("a heartbeat interval of 0 ms")
        self._enrolling = False
        self._memory.device_id = response.device_id
        self._memory.heartbeat_interval = response.heartbeat_interval / 1000
        self._device.say(
            f"enrollment: enrolled at {response.gateway_name} as {response.device_id}, "
            f"heartbeat every {response.heartbeat_interval} ms"
        )
        self._link.send(EnrollmentAcknowledgment(response.device_id), message_id)
        if response.reassigned and (home := parse_endpoint(response.gateway_endpoint)) is not None:
            raise Reassigned(home)
        self._send_heartbeat()

    def _store(self, certificate: bytes | None) -> None:
        try:
            if certificate is None:
                raise CertificateInvalid("the gateway sent none")
            is_stored = self._flash.store(certificate)
        except CertificateInvalid as error:
            raise Rejected(f"no usable certificate: {error}") from error
        self._device.say(f"enrollment: certificate {'' if is_stored else 'not '}stored, connecting with it")

    def _refused(self, error: Error) -> None:
        action = f" ({error.action})" if error.action else ""
        self._device.say(f"error from gateway: {error.code}: {error.message}{action}", LogLevel.ERROR)
        if error.retry_after is not None:
            self.retry_after = error.retry_after / 1000
        if self._enrolling:
            raise Rejected(f"enrollment refused: {error.code}", self.retry_after)
        if error.code == ErrorCode.ENROLLMENT_FAILED:
            self._memory.device_id = None
            self._enroll()

    def _acknowledged(self) -> None:
        self._unanswered = 0
        if not self.established and self.enrolled:
            self.established = True
            self._device.connected()

    def _send_heartbeat(self) -> None:
        """Send a heartbeat, and schedule the next one. The interval starts now, before the message is sent."""
        device_id = self._memory.device_id
        if device_id is None or self._link.closed:
            return
        if self._unanswered >= MISSED_HEARTBEATS:
            self._link.abort(f"{MISSED_HEARTBEATS} heartbeats were not answered")
            return
        self._unanswered += 1
        self._set_timer(self._clock.call_later(self._memory.heartbeat_interval, self._send_heartbeat))
        self._link.send(self._device.heartbeat(device_id))
        self._device.say("heartbeat", LogLevel.DEBUG)

    def _set_timer(self, timer: Timer | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
