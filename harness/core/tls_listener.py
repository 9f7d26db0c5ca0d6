"""A TLS listener that stays available to legitimate clients during floods of connections and handshakes.

``loop.create_server(ssl=...)`` starts a handshake for each connection, without a bound. It does not report handshakes
that fail, and drops the alert that the peer should get. This listener spends a file descriptor and no TLS state on a
peer until its ClientHello has arrived. The number of silent peers is bounded, and the oldest is dropped first. A
ClientHello that offers nothing this server supports is refused before any computation. A bounded number of handshakes
runs at a time, within a budget. Each failure is reported, and answered with its alert (RFC 8446, section 6).
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from harness.core.client_hello import read_client_hello
from harness.core.handshake_queue import Budget, HandshakeQueue
from harness.core.places import Places
from harness.core.tls_peer import TlsPeer, has_left
from harness.core.tls_server import HelloRefused, ServerEnd, TlsServer, handshake_error

__all__ = ["Admission", "TlsListener"]

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_BATCH = 64
"""Connections accepted in one go, before earlier ones get their turn."""
FAILURES = Budget(512, 256.0)
"""At about 0.5 ms each, an eighth of a core."""
FAILURES_OF_ONE = Budget(256, 64.0)
_NO_DESCRIPTOR = "the machine has run out of file descriptors"
_FOR_EACH_PLACE = 4
_RECOVERY = 1.0
"""Seconds until accepting is tried again after the machine ran out of file descriptors."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The bounds of a TLS listener; times in seconds.

    ``waiting``: connections without a handshake in progress, at most half of the file descriptor limit. One more drops
    the oldest; those without a ClientHello go first. ``handshakes``: the number at a time. ``failures`` and
    ``failures_of_one``: the budget for handshakes that fail, of all addresses and of one. ``silence``: until the
    ClientHello must have arrived. ``handshake``: for a whole handshake. ``patience``: for a peer that does not send,
    while others wait for its place. ``rejected`` is called with the address of a rejected peer, the reason, and
    whether it was refused for what it offered or proved (its alert says no more than that). ``behind``: the places that
    peers take after their handshake. While it is full, no handshake starts; at most four are in progress for each of
    its places. ``unread``: bytes that the kernel buffers for a peer that does not read, instead of Linux's megabytes;
    the kernel doubles the number (socket(7)).
    """

    waiting: int = 4096
    handshakes: int = 256
    failures: Budget = FAILURES
    failures_of_one: Budget = FAILURES_OF_ONE
    silence: float = 5.0
    handshake: float = 10.0
    patience: float = 2.0
    rejected: Callable[[tuple[str, int], str, bool], object] | None = None
    behind: Places | None = None
    unread: int | None = None


class TlsListener:
    """Accepts on ``listener`` (a non-blocking listening socket, which it owns) and hands over secured connections.

    ``has_left`` tells whether the peer of a connection has closed its side.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        tls: TlsServer,
        admission: Admission,
        has_left: Callable[[socket.socket], bool] = has_left,
    ) -> None:
        self._listener, self._protocol, self._admission = listener, protocol, admission
        self._has_left = has_left
        self.secure(tls)
        self.endpoint: tuple[str, int] = listener.getsockname()[:2]
        self._loop = asyncio.get_running_loop()
        self._waiting = min(admission.waiting, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._silent: dict[TlsPeer, None] = {}
        self._queue: HandshakeQueue[TlsPeer] = HandshakeQueue(
            admission.failures_of_one, admission.failures, self._loop.time()
        )
        self._shaking: dict[TlsPeer, None] = {}
        self._silence: asyncio.TimerHandle | None = None
        self._impatience: asyncio.TimerHandle | None = None
        self._recovery: asyncio.TimerHandle | None = None
        self._refill: asyncio.TimerHandle | None = None
        self._accepting = False
        self._closed = False
        if admission.unread is not None:  # accepted connections inherit it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, admission.unread)
        if admission.behind is not None:
            admission.behind.on_relief(self._start_handshakes)
        self._resume()

    def secure(self, tls: TlsServer) -> None:
        """Use these parameters for handshakes that begin from now on."""
        for context in tls.contexts:
            context.sslobject_class = ServerEnd
        self._tls = tls

    async def close(self) -> None:
        """Stop accepting, and drop each peer that has not completed its handshake."""
        self._closed = True
        self._pause()
        self._listener.close()
        for timer in (self._silence, self._impatience, self._recovery, self._refill):
            if timer is not None:
                timer.cancel()
        while self._silent:
            self._drop_silent("the listener was closed")
        while (queued := self._queue.drop_oldest()) is not None:
            self._reject(queued, "the listener was closed")
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
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                if not self._drop_oldest(_NO_DESCRIPTOR):
                    self._pause()
                    self._recovery = self._loop.call_later(_RECOVERY, self._resume)
                return
            connection.setblocking(False)
            if len(self._silent) + len(self._queue) >= self._waiting:
                self._drop_oldest("made room for a newer connection")
            peer = TlsPeer(connection, address[:2], self._loop.time())
            self._silent[peer] = None
            self._loop.add_reader(connection, self._heard, peer)
            self._watch_silence()

    def _drop_oldest(self, reason: str) -> bool:
        """Drop one of the waiting peers, silent ones first; False if there are none."""
        while self._silent:
            peer = next(iter(self._silent))
            hello = peer.hello()  # data may have arrived that the loop has not seen yet
            if hello is None:
                self._drop_silent(reason)
                return True
            self._judge(peer, hello)
        queued = self._queue.drop_oldest()
        if queued is not None:
            self._reject(queued, reason)
        return queued is not None

    # Silent peers.

    def _heard(self, peer: TlsPeer) -> None:
        hello = peer.hello(woken=True)
        if hello is not None:
            self._judge(peer, hello)

    def _judge(self, peer: TlsPeer, hello: bytes) -> None:
        self._loop.remove_reader(peer.connection)
        del self._silent[peer]
        try:
            peer.context = self._tls.context_for(read_client_hello(hello))
        except HelloRefused as refused:
            peer.send_alert(refused.alert)
            self._reject(peer, refused.reason, refused=True)
        else:
            self._queue.push(peer.address[0], peer)
            self._start_handshakes()

    def _drop_silent(self, reason: str) -> None:
        peer = next(iter(self._silent))
        self._loop.remove_reader(peer.connection)
        del self._silent[peer]
        self._reject(peer, reason)

    def _watch_silence(self) -> None:
        if self._silence is None and self._silent:
            due = self._silent_until()
            self._silence = self._loop.call_at(due, self._end_silence, due)

    def _silent_until(self) -> float:
        return next(iter(self._silent)).since + self._admission.silence

    def _end_silence(self, due: float) -> None:
        """Drop the peers whose time was over at ``due``: the loop's time may be a rounding error before it."""
        self._silence = None
        while self._silent and self._silent_until() <= due:
            self._drop_silent(f"no ClientHello within {self._admission.silence:g} s")
        self._watch_silence()

    # Handshakes.

    def _start_handshakes(self) -> None:
        if self._refill is not None:
            self._refill.cancel()
            self._refill = None
        while len(self._shaking) < self._most_handshakes() and not self._is_held():
            peer = self._queue.pop(self._loop.time())
            if peer is None:
                break
            if self._has_left(peer.connection):
                self._queue.give_back(peer.address[0])
                self._reject(peer, "the peer closed the connection before its handshake")
                continue
            try:
                # The loop closes the socket before it reports a failure: the alert is sent on a duplicate.
                spare = peer.connection.dup()
            except OSError:
                self._queue.give_back(peer.address[0])
                self._reject(peer, _NO_DESCRIPTOR)
                continue
            peer.since = self._loop.time()
            self._shaking[peer] = None
            peer.handshake = self._loop.create_task(self._shake_hands(peer, spare))
        if len(self._shaking) < self._most_handshakes():
            wait = None if self._is_held() else self._queue.wait(self._loop.time())
            if wait is not None:
                self._refill = self._loop.call_later(wait, self._start_handshakes)
        elif self._queue and self._impatience is None:
            due = next(iter(self._shaking)).since + self._admission.patience
            self._impatience = self._loop.call_at(due, self._lose_patience)

    def _most_handshakes(self) -> int:
        behind, most = self._admission.behind, self._admission.handshakes
        return most if behind is None else min(most, _FOR_EACH_PLACE * behind.limit)

    def _is_held(self) -> bool:
        return self._admission.behind is not None and self._admission.behind.is_full

    async def _shake_hands(self, peer: TlsPeer, spare: socket.socket) -> None:
        peer.shaking = True
        try:
            if peer.verdict:  # interrupted before it began
                self._reject(peer, peer.verdict)
                return
            await self._loop.connect_accepted_socket(
                lambda: _Handover(peer, self._protocol),
                peer.connection,
                ssl=peer.context,
                ssl_handshake_timeout=self._admission.handshake,
            )
            self._queue.give_back(peer.address[0])
        except asyncio.CancelledError:
            # asyncio ignores the end of a transport before its `connection_made`: the end of the stream ends that, too.
            with suppress(OSError):
                spare.shutdown(socket.SHUT_RDWR)
            self._report(peer, peer.verdict)
        except OSError as error:
            with suppress(OSError):
                spare.send(getattr(error, "alert", b""))
            self._report(peer, handshake_error(error), refused=isinstance(error, ssl.SSLError))
        finally:
            spare.close()
            del self._shaking[peer]
            if not self._closed:
                self._start_handshakes()

    def _lose_patience(self) -> None:
        self._impatience = None
        if len(self._shaking) < self._most_handshakes():
            return
        limit = self._loop.time() - self._admission.patience
        oldest = tuple(self._shaking)[: len(self._queue)]
        slow = [peer for peer in oldest if peer.since <= limit and not peer.has_more()]
        for peer in slow:
            self._interrupt(peer, f"no handshake within {self._admission.patience:g} s while others waited")
        if self._queue and not slow:
            self._impatience = self._loop.call_later(self._admission.patience, self._lose_patience)

    def _interrupt(self, peer: TlsPeer, reason: str) -> None:
        """End a handshake. One that is complete goes on, also if its task has yet to see that: its connection is used.
        One that has not begun sees the verdict: a task that is cancelled before it begins leaves its socket open."""
        peer.verdict = reason
        if peer.handshake is not None and peer.shaking:
            peer.handshake.cancel()

    def _reject(self, peer: TlsPeer, reason: str, *, refused: bool = False) -> None:
        peer.connection.close()
        self._report(peer, reason, refused=refused)

    def _report(self, peer: TlsPeer, reason: str, *, refused: bool = False) -> None:
        if self._admission.rejected is not None:
            self._admission.rejected(peer.address, reason, refused)


class _Handover(asyncio.Protocol):
    """Takes a connection at the end of its handshake and leaves it to its own protocol.

    asyncio closes one whose handshake was interrupted meanwhile, as soon as its task runs: nobody gets it.
    """

    def __init__(self, peer: TlsPeer, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._peer, self._protocol = peer, protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._peer.verdict:
            self._peer.shaking = False
            protocol = self._protocol()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
