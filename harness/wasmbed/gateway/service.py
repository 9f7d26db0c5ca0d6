"""Links with devices: one task for each, from the handshake through the messages to the close."""

from __future__ import annotations

import asyncio
import itertools

from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog
from harness.wasmbed.gateway.device_queue import DeviceQueues
from harness.wasmbed.gateway.device_status import DeviceStatusWriter
from harness.wasmbed.gateway.link_recorder import LinkRecorder
from harness.wasmbed.gateway.refusals import PeerRefused
from harness.wasmbed.gateway.session import Session, SessionState
from harness.wasmbed.gateway.session_handler import SessionHandler
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError, UnknownTag
from harness.wasmbed.protocol.link import Link
from harness.wasmbed.protocol.messages import DeviceMessage, Error, ErrorCode

__all__ = ["LinkService"]

log = get_log(__name__)


class LinkService:
    """Serves links. :meth:`opened` is called for each after its handshake; they wait for :meth:`begin`.

    Controllers disconnect the devices of a gateway that is Offline on record. So a gateway that has just started reads
    the first message of a device after it has written that it is Online.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        sessions: Sessions,
        handler: SessionHandler,
        device_status: DeviceStatusWriter,
        queues: DeviceQueues,
        tap: Tap | None,
    ) -> None:
        self._settings, self._clock, self._sessions = settings, clock, sessions
        self._handler, self._device_status, self._queues, self._tap = handler, device_status, queues, tap
        self._log = SummedLog(log, clock)
        self._links = itertools.count(1)
        self._begun = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], Session] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Serve the links that are open, and those to come."""
        self._begun.set()

    def opened(self, link: Link) -> None:
        """Begin a session on ``link``; if all places are used, an older session without a message is dropped."""
        certificate = link.peer_certificate
        session = Session(link, anonymous=certificate is None)
        if self._tap is not None:
            name = f"{self._settings.name}/{next(self._links)}"
            link.tap = recorder = LinkRecorder(self._tap, name, link.peer_address)
            recorder.opened(certificate, link.tls_version)
        link.stalled = lambda is_stalled: self._stalled(session, is_stalled)
        replaced = self._sessions.open(session)
        if replaced is not None:
            self._log.warning("more than %d connections without a message: one is dropped", self._settings.unclaimed)
            replaced.link.abort("dropped for a newer connection before it sent a message")
        task = asyncio.create_task(self._serve(session))
        self._tasks[task] = session
        task.add_done_callback(self._tasks.pop)

    def dismiss(self, session: Session, error: Error) -> None:
        """End a session with an error for the device. Nothing that the device has sent is answered afterwards."""
        session.begin_closing()
        try:
            session.link.send(error, None)
        except LinkClosed:
            return
        closing = asyncio.create_task(self._close(session.link, _why(error)))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Wait until every session has ended; the caller dismisses them first."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def abandon(self) -> None:
        """Abort every link at once."""
        tasks = [*self._tasks, *self._closing]
        for session in self._tasks.values():
            session.link.abort("the gateway was killed")
            self._queues.abandon(session)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for part in (self._queues, self._handler):
            part.close_log()
        self._log.close()

    def _expect_first_message(self, session: Session) -> None:
        seconds = self._settings.first_message_timeout
        reason = f"no message within {seconds:g} s"
        session.start_timer(self._clock.call_later(seconds, lambda: session.link.abort(reason)))

    def _stalled(self, session: Session, is_stalled: bool) -> None:
        """Start or stop the write timer: the peer has stopped reading, or reads again."""
        session.stop_write_timer()
        if is_stalled:
            seconds = self._settings.write_timeout
            session.start_write_timer(self._clock.call_later(seconds, lambda: self._give_up(session)))

    def _give_up(self, session: Session) -> None:
        reason = f"the peer did not read for {self._settings.write_timeout:g} s"
        self._log.warning("device %s: %s", _name(session), reason)
        session.link.abort(reason)

    async def _serve(self, session: Session) -> None:
        closed = LinkClosed("the gateway was killed", by_peer=False)
        try:
            await self._begun.wait()
            self._expect_first_message(session)
            await self._process_messages(session)
        except LinkClosed as error:
            closed = error
        except Exception as error:
            log.exception("session of %s failed", session.name or "an unknown device")
            closed = LinkClosed(f"the gateway failed: {error!r}", by_peer=False)
            session.link.abort(closed.reason)
        finally:
            self._end(session, closed)

    async def _process_messages(self, session: Session) -> None:
        link = session.link
        while True:
            try:
                envelope = await link.receive()
            except UnknownTag as error:
                await self._refuse(session, error.to_message(), error.message_id, closes=False)
                await link.drain()
                continue
            except ProtocolError as error:
                await self._refuse(session, error.to_message(), error.message_id)
                continue
            session.message_arrived()
            message: DeviceMessage = envelope.message  # type: ignore[assignment]
            try:
                await self._handler.handle(session, envelope.message_id, message)
            except ProtocolError as error:
                await self._refuse(session, error.to_message(), envelope.message_id)
            except PeerRefused as refused:
                await self._refuse(session, refused.error, envelope.message_id, closes=refused.closes)
            if session.state is SessionState.CLOSING:
                await self._close(link, "paired: the device connects again with its certificate")
            elif session.timer is None:
                self._expect_first_message(session)
            await link.drain()

    async def _refuse(self, session: Session, error: Error, message_id: int | None, *, closes: bool = True) -> None:
        """Answer with ``error``. The session ends if ``closes``, or after too many errors since the last heartbeat."""
        self._log.warning("device %s: %s: %s", _name(session), error.code, error.message)
        if not closes:
            if session.count_error() <= self._settings.session_errors:
                session.link.send(error, message_id)
                return
            reason = f"more than {self._settings.session_errors} errors without a heartbeat, the last: {error.message}"
            error = Error(ErrorCode.PROTOCOL_ERROR, reason)
        await self._close_with_error(session, error, message_id)
        raise LinkClosed(_why(error), by_peer=False)

    async def _close_with_error(self, session: Session, error: Error, message_id: int | None) -> None:
        session.begin_closing()
        try:
            session.link.send(error, message_id)
        except LinkClosed:
            return
        await self._close(session.link, _why(error))

    async def _close(self, link: Link, reason: str) -> None:
        try:
            async with self._clock.deadline(self._settings.close_timeout):
                await link.close(reason)
        except TimeoutError:
            link.abort(reason)

    def _end(self, session: Session, closed: LinkClosed) -> None:
        session.stop_timer()
        session.stop_write_timer()
        self._queues.close(session, closed.reason)
        self._sessions.close(session)
        if session.on_record:
            self._device_status.ended(session)
        recorder = session.link.tap
        if isinstance(recorder, LinkRecorder):
            recorder.closed(closed.by_peer, closed.reason)


def _why(error: Error) -> str:
    return f"{error.code}: {error.message}"


def _name(session: Session) -> str:
    """Return the device's name for a log line, or the peer's address while the name is unknown."""
    if session.name or session.link.peer_address is None:
        return session.name or "unknown"
    return "{}:{}".format(*session.link.peer_address)
