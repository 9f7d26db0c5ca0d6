"""A virtual board's connection: connect, serve the session, wait longer after each failure, connect again."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from harness.boards.link_tap import BoardTap
from harness.boards.virtual.dialect_session import DialectSession
from harness.boards.virtual.flash import Flash, PowerLost
from harness.boards.virtual.session import BoardSession, CertificateStored, Device, Reassigned, Rejected, SessionMemory
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.descriptors import explain
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.wasmbed.protocol.dialects.wires import VERSION_1, find_wire
from harness.wasmbed.protocol.errors import LinkClosed, ProtocolError
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import DeviceMessage
from harness.wasmbed.runtime.interface import LogLevel

__all__ = ["RECONNECT", "Uplink", "reconnect_delay"]

CONNECTION_TIME = 30.0
"""Seconds for connection and handshake together."""
CLOSE_TIME = 2.0
"""Seconds within which the gateway has to answer the close of the link."""


RECONNECT = Backoff(first=0.25, longest=30.0)
LONGEST_RETRY_AFTER = 600.0
"""Seconds; a gateway that asks for a longer wait is not obeyed."""


def reconnect_delay(backoff: Backoff, failures: int, retry_after: float | None, randomness: Randomness) -> float:
    """Seconds until the next attempt after ``failures`` earlier ones.

    A gateway's ``retry_after`` counts where it is the longer wait, up to ``LONGEST_RETRY_AFTER``.
    """
    delay = backoff.delay(failures, randomness)
    if retry_after is not None:
        delay = max(delay, min(retry_after, LONGEST_RETRY_AFTER) + randomness.jitter(backoff.first / 2))
    return delay


class Uplink:
    """Connects the board again and again, from :meth:`start` to :meth:`stop`."""

    __slots__ = (
        "_backoff",
        "_clock",
        "_device",
        "_failures",
        "_flash",
        "_gateway",
        "_home",
        "_link",
        "_memory",
        "_network",
        "_randomness",
        "_server_name",
        "_session",
        "_tap",
        "_task",
        "_wire",
    )

    def __init__(
        self,
        device: Device,
        flash: Flash,
        gateway: Endpoint,
        server_name: str,
        *,
        clock: Clock,
        network: Network,
        randomness: Randomness,
        backoff: Backoff,
        wire: str = VERSION_1,
        tap: BoardTap | None = None,
    ) -> None:
        """``tap`` records the links as the board sees them."""
        self._wire, self._tap = wire, tap
        self._device, self._flash = device, flash
        self._gateway, self._server_name = gateway, server_name
        self._clock, self._network, self._randomness, self._backoff = clock, network, randomness, backoff
        self._memory = SessionMemory()
        self._home: Endpoint | None = None
        """The gateway to which another one assigned the board; None: the one that it was provisioned with."""
        self._link: Link | None = None
        self._session: BoardSession | DialectSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    def start(self, name: str) -> None:
        """Connect, in a task of that name."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._stay_connected(), name=name)
            self._task.add_done_callback(self._show_panic)

    async def stop(self, *, orderly: bool) -> None:
        """End the connection: close it in order with ``orderly``, else abort it. It can be started again and keeps
        its device id."""
        task, self._task = self._task, None
        if task is None:
            return
        link = self._link
        if link is not None and not orderly:
            link.abort()
        task.cancel()
        await asyncio.wait([task])
        if link is not None:
            await self._close(link)
        self._link, self._failures = None, 0

    def send(self, message: DeviceMessage, message_id: int | None = None) -> bool:
        """Send on the present session; False if there is none."""
        return self._session is not None and self._session.send(message, message_id)

    async def drain(self) -> None:
        """Wait while the gateway accepts less than is sent."""
        if self._link is not None:
            with suppress(LinkClosed):
                await self._link.drain()

    def _show_panic(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._device.panicked(error)

    async def _stay_connected(self) -> None:
        while True:
            try:
                link = self._link = await self._connect()
                delay = await self._serve(link)
            except PowerLost:
                await asyncio.get_running_loop().create_future()
            except OSError as error:
                self._device.say(f"link: no connection: {_reason(error)}", LogLevel.WARNING)
                self._leave_home()
                delay = self._delay(None)
            if delay:
                self._device.say(f"link: next attempt in {delay:.2f} s")
                await self._clock.sleep(delay)

    async def _connect(self) -> Link:
        host, port = endpoint = self._home or self._gateway
        self._device.say(f"link: connecting to {host}:{port}")
        async with self._clock.deadline(CONNECTION_TIME):
            return await self._network.connect(
                lambda: Link(Side.DEVICE, opened=_nothing, codec=find_wire(self._wire)),
                endpoint,
                tls=self._flash.context,
                server_name=self._server_name,
                handshake_timeout=CONNECTION_TIME,
            )

    def _make_session(self, link: Link) -> BoardSession | DialectSession:
        if self._wire == VERSION_1:
            return BoardSession(link, self._device, self._memory, self._flash, self._clock, self._randomness)
        enrolls = self._wire == "r"
        return DialectSession(link, self._device, self._memory, self._flash, self._clock, enrolls=enrolls)

    async def _serve(self, link: Link) -> float:
        """Serve a session to its end and close the link. Returns the seconds to wait before the next connection."""
        session = self._session = self._make_session(link)
        seen = self._tap.opened(link, self._flash.certificate) if self._tap is not None else None
        closed: LinkClosed | None = None
        self._device.say(f"link: up, {link.tls_version}")
        has_certificate = False
        home: Endpoint | None = None
        try:
            await session.run()
        except LinkClosed as error:
            self._device.say(f"link: down: {error.reason}", LogLevel.WARNING)
            closed = error
        except ProtocolError as error:
            self._device.say(f"link: the gateway broke the protocol: {error.reason}", LogLevel.ERROR)
            with suppress(LinkClosed):
                link.send(error.to_message(), error.message_id)
        except Rejected as error:
            self._device.say(f"link: {error.reason}", LogLevel.ERROR)
        except CertificateStored:
            has_certificate = True
        except Reassigned as error:
            home = error.home
        finally:
            self._session = None
            if seen is not None:
                seen.ended(closed)
            self._device.disconnected()
        await self._close(link)
        self._link = None
        if session.established or has_certificate:
            self._failures = 0
        if home is not None:
            return self._follow(home)
        if not session.established:
            self._leave_home()
        return 0.0 if has_certificate else self._delay(session.retry_after)

    def _follow(self, home: Endpoint) -> float:
        """Take another gateway for the board's; returns the seconds to wait before the connection. An assignment by the
        provisioned gateway is followed at once; one in a chain after a pause, which grows until a gateway serves the
        board."""
        was, self._home = self._home, home
        return 0.0 if was is None else self._delay(None)

    def _leave_home(self) -> None:
        """Go back to the gateway that the board was provisioned with: the one it was assigned to does not serve it."""
        if self._home is not None:
            self._device.say("link: not served there, back to the provisioned gateway", LogLevel.WARNING)
            self._home = None

    def _delay(self, retry_after: float | None) -> float:
        delay = reconnect_delay(self._backoff, self._failures, retry_after, self._randomness)
        self._failures += 1
        return delay

    async def _close(self, link: Link) -> None:
        try:
            async with self._clock.deadline(CLOSE_TIME):
                await link.close()
        except TimeoutError:
            await link.close()


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the gateway is not trusted: {getattr(error, 'verify_message', None) or error}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        text = explain(error.errno)
        return text[:1].lower() + text[1:]
    return str(error) or "no answer in time"


def _nothing(_: Link) -> None:
    pass
