"""How strangers get in: a TLS listener that stays open to honest peers whatever else knocks.

``loop.create_server(ssl=...)`` starts a handshake for whoever connects, as many as connect, and tells nobody about
those that fail - not even the peer, whose alert it drops. Here a peer that has sent nothing costs a file descriptor
and no TLS state; the silent ones are bounded and the oldest has to go; handshakes run a bounded number at a time;
every failure is reported, and answered with its alert (RFC 8446, section 6).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["Admission", "Doorkeeper"]

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_BATCH = 64
"""Connections accepted in one go, before those that came earlier get their turn."""
_RECOVERY = 1.0
"""Seconds until accepting is tried again when the machine had no file descriptor left."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The bounds of a TLS listener; times in seconds.

    ``waiting``: connections without a handshake under way; one more drops the oldest that has not sent a byte, or
    stays in the system's queue if all have. ``handshakes``: at once. ``silence``: until the first byte must be
    there. ``handshake``: for all of a handshake; while others wait for its place, only ``patience``. ``rejected`` is
    told who was turned away and why.
    """

    waiting: int = 1024
    handshakes: int = 64
    silence: float = 5.0
    handshake: float = 10.0
    patience: float = 2.0
    rejected: Callable[[tuple[str, int], str], object] | None = None


@dataclass(eq=False, slots=True)
class _Peer:
    connection: socket.socket
    address: tuple[str, int]
    since: float
    handshake: asyncio.Task[None] | None = None
    verdict: str = ""


class Doorkeeper:
    """Accepts on ``listener`` (a non-blocking listening socket, which it owns) and hands over secured connections."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext,
        admission: Admission,
    ) -> None:
        self._listener, self._protocol, self._tls, self._admission = listener, protocol, tls, admission
        tls.sslobject_class = _Alerting
        self.endpoint: tuple[str, int] = listener.getsockname()[:2]
        self._loop = asyncio.get_running_loop()
        self._silent: dict[_Peer, None] = {}
        self._queued: deque[_Peer] = deque()
        self._shaking: dict[_Peer, None] = {}
        self._silence: asyncio.TimerHandle | None = None
        self._impatience: asyncio.TimerHandle | None = None
        self._recovery: asyncio.TimerHandle | None = None
        self._accepting = False
        self._closed = False
        self._resume()

    async def close(self) -> None:
        """Stop accepting and drop everyone who is not through."""
        self._closed = True
        self._pause()
        self._listener.close()
        for timer in (self._silence, self._impatience, self._recovery):
            if timer is not None:
                timer.cancel()
        while self._silent:
            self._drop_silent("the listener was closed")
        while self._queued:
            self._reject(self._queued.popleft(), "the listener was closed")
        tasks = [peer.handshake for peer in self._shaking if peer.handshake is not None]
        for peer in tuple(self._shaking):
            self._interrupt(peer, "the listener was closed")
        await asyncio.gather(*tasks, return_exceptions=True)

    # Accepting.

    def _resume(self) -> None:
        if not self._accepting and not self._closed:
            self._accepting = True
            self._loop.add_reader(self._listener, self._accept)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener)

    def _accept(self) -> None:
        for _ in range(_BATCH):
            if self._full() and not self._find_silent():
                self._pause()
                return
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._make_room()
                return
            connection.setblocking(False)
            if self._full():
                self._drop_silent("made room for a newer connection before it sent anything")
            peer = _Peer(connection, address[:2], self._loop.time())
            self._silent[peer] = None
            self._loop.add_reader(connection, self._heard, peer)
            self._watch_silence()

    def _full(self) -> bool:
        return len(self._silent) + len(self._queued) >= self._admission.waiting

    def _make_room(self) -> None:
        if self._find_silent():
            self._drop_silent("the machine has no file descriptor left")
        else:
            self._pause()
            self._recovery = self._loop.call_later(_RECOVERY, self._resume)

    # The silent.

    def _heard(self, peer: _Peer) -> None:
        self._loop.remove_reader(peer.connection)
        del self._silent[peer]
        self._queued.append(peer)
        self._start_handshakes()

    def _find_silent(self) -> bool:
        """Whether the first of the silent is so still: the loop may not have come round to what it sent."""
        while self._silent:
            peer = next(iter(self._silent))
            try:
                peer.connection.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return True
            except OSError:
                pass
            self._heard(peer)
        return False

    def _drop_silent(self, reason: str) -> None:
        peer = next(iter(self._silent))
        self._loop.remove_reader(peer.connection)
        del self._silent[peer]
        self._reject(peer, reason)

    def _watch_silence(self) -> None:
        if self._silence is None and self._silent:
            due = next(iter(self._silent)).since + self._admission.silence
            self._silence = self._loop.call_at(due, self._end_silence)

    def _end_silence(self) -> None:
        self._silence = None
        limit = self._loop.time() - self._admission.silence
        while self._silent and next(iter(self._silent)).since <= limit:
            self._drop_silent(f"sent nothing for {self._admission.silence:g} s")
        self._watch_silence()

    # Handshakes.

    def _start_handshakes(self) -> None:
        while self._queued and len(self._shaking) < self._admission.handshakes:
            peer = self._queued.popleft()
            peer.since = self._loop.time()
            self._shaking[peer] = None
            peer.handshake = self._loop.create_task(self._shake_hands(peer))
            self._resume()
        if self._queued and self._impatience is None:
            due = next(iter(self._shaking)).since + self._admission.patience
            self._impatience = self._loop.call_at(due, self._lose_patience)

    async def _shake_hands(self, peer: _Peer) -> None:
        # The loop closes the socket before it tells of the failure: the alert goes out on a duplicate.
        spare = peer.connection.dup()
        try:
            await self._loop.connect_accepted_socket(
                self._protocol, peer.connection, ssl=self._tls, ssl_handshake_timeout=self._admission.handshake
            )
        except asyncio.CancelledError:
            self._report(peer, peer.verdict)
        except OSError as error:
            with suppress(OSError):
                spare.send(getattr(error, "alert", b""))
            self._report(peer, _reason(error))
        finally:
            spare.close()
            del self._shaking[peer]
            if not self._closed:
                self._start_handshakes()

    def _lose_patience(self) -> None:
        self._impatience = None
        limit = self._loop.time() - self._admission.patience
        slow = [peer for peer in tuple(self._shaking)[: len(self._queued)] if peer.since <= limit]
        for peer in slow:
            self._interrupt(peer, f"no handshake within {self._admission.patience:g} s while others waited")
        if not slow:
            self._start_handshakes()

    def _interrupt(self, peer: _Peer, reason: str) -> None:
        peer.verdict = reason
        if peer.handshake is not None:
            peer.handshake.cancel()

    def _reject(self, peer: _Peer, reason: str) -> None:
        peer.connection.close()
        self._report(peer, reason)

    def _report(self, peer: _Peer, reason: str) -> None:
        if self._admission.rejected is not None:
            self._admission.rejected(peer.address, reason)


class _Alerting(ssl.SSLObject):
    """Leaves the alert that a failed handshake has written with the error, as ``alert``."""

    _outgoing: ssl.MemoryBIO

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any) -> _Alerting:
        made: _Alerting = super()._create(incoming, outgoing, **options)  # type: ignore[misc]
        made._outgoing = outgoing
        return made

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            error.alert = self._outgoing.read()  # type: ignore[attr-defined]
            raise


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verification failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(error) or "the peer closed the connection during the handshake"
