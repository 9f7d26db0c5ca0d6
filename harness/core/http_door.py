"""Limits the connections of an HTTP server, so that clients without the token cannot lock out those with it.

A connection is a stranger's until a request on it shows the token. Strangers hold at most three quarters of the places,
and a bounded number from one address. If all places are taken, a new connection replaces the stranger that has gone
longest without a complete request, or, if all clients have the token, the one that has been idle longest. So clients
without the token cannot keep others out, and clients with it only by requests in progress. A client that does not send
its request in time, or does not read the answer, is disconnected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from harness.core.clock import Clock, Timer
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog

__all__ = ["HttpDoor", "HttpPlaces"]

log = get_log(__name__)

_HEAD = 1 << 20
"""Bytes that a client may send before its headers are complete: more than HTTP parsers accept by default."""
_UNSENT = 64 << 10
"""Bytes of an answer that wait for a client to read, before its writer has to wait too."""


@dataclass(frozen=True, slots=True)
class HttpPlaces:
    """The bounds of an HTTP server; times in seconds.

    ``connections``: at once. ``per_address``: from one address, of those on which no request has shown the token.
    ``timeout``: for a client to send its first request, the next ones too without the token, and to read an answer.
    ``idle``: between an answer and the next request of a client with the token.
    """

    connections: int
    per_address: int
    timeout: float
    idle: float

    @property
    def strangers(self) -> int:
        """The most connections on which no request has shown the token; the rest is reserved for clients with it."""
        return self.connections - self.connections // 4


class HttpDoor:
    """Makes the protocols of accepted connections. ``connection`` makes the ones that get a place.

    ``head``: the bytes that a client may send while it is waited for a request's headers; more disconnects it.
    """

    def __init__(
        self, connection: Callable[[], web.RequestHandler], bounds: HttpPlaces, clock: Clock, *, head: int = _HEAD
    ) -> None:
        self._connection, self._bounds, self._clock, self.head = connection, bounds, clock, head
        self._log = SummedLog(log, clock)
        self._places: dict[object, _Place] = {}
        """By aiohttp's protocol object, which each request refers to."""
        self._strangers: dict[_Place, None] = {}
        """Ordered by the time without a complete request, longest first; likewise for each address below."""
        self._by_address: dict[str, dict[_Place, None]] = {}
        self._idle: dict[_Place, None] = {}
        """Clients with the token and without a request in progress, idle longest first."""

    def __call__(self) -> asyncio.Protocol:
        return _Place(self)

    @asynccontextmanager
    async def request(self, protocol: object, *, knows_token: bool) -> AsyncIterator[None]:
        """Wraps the handling of a request, from its arrival until its answer is sent."""
        place = self._places.get(protocol)
        if place is None:  # disconnected meanwhile
            yield
            return
        place.wait(None)
        place.unread = None
        self._idle.pop(place, None)
        if knows_token:
            self._forget_stranger(place)
        elif place in self._strangers:
            self._forget_stranger(place)
            self._add_stranger(place)
        try:
            yield
        finally:
            if protocol in self._places:
                self._expect_request(place)

    def recognize(self, protocol: object) -> None:
        """Note that the request in progress has shown the token, where that was not known when it arrived."""
        place = self._places.get(protocol)
        if place is not None:
            self._forget_stranger(place)

    async def send(self, request: web.BaseRequest, answer: web.StreamResponse) -> None:
        """Send ``answer``, or disconnect a client that does not read it."""
        with suppress(ConnectionAbortedError):
            async with self.sending(request.protocol):
                await answer.prepare(request)
                await answer.write_eof()

    @asynccontextmanager
    async def sending(self, protocol: object) -> AsyncIterator[None]:
        """Wraps the sending of one piece. Disconnects a client that does not read it: ConnectionAbortedError."""
        try:
            async with self._clock.deadline(self._bounds.timeout):
                yield
        except TimeoutError as error:
            if (place := self._places.get(protocol)) is not None:
                place.drop()
            raise ConnectionAbortedError("the client does not read") from error

    def close(self) -> None:
        """Cancel all timers."""
        for place in self._places.values():
            place.wait(None)
        self._log.close()

    # Called by places.

    def enter(self, place: _Place) -> web.RequestHandler | None:
        """Give a new connection a place, if necessary a stranger's; None if clients with the token hold all places."""
        bounds = self._bounds
        there = self._by_address.get(place.address, {})
        if len(there) >= bounds.per_address:
            self._make_room(there, f"{len(there)} of its address are connected")
        elif len(self._strangers) >= bounds.strangers:
            self._make_room(self._strangers, f"{len(self._places)} are connected")
        elif len(self._places) >= bounds.connections:
            self._make_room(self._strangers or self._idle, f"{len(self._places)} are connected")
        if len(self._places) >= bounds.connections:
            self._log.warning("HTTP client %s: refused, all %d places are taken", place.address, len(self._places))
            return None
        handler = self._connection()
        self._places[handler] = place
        self._add_stranger(place)
        self._expect_request(place)
        return handler

    def leave(self, place: _Place) -> None:
        """Free the place of a connection that ended."""
        self._places.pop(place.handler, None)
        self._idle.pop(place, None)
        self._forget_stranger(place)
        place.wait(None)

    def _make_room(self, places: dict[_Place, None], reason: str) -> None:
        oldest = next(iter(places), None)
        if oldest is not None:
            self._log.warning("HTTP client %s: dropped for a newer one, %s", oldest.address, reason)
            oldest.drop()

    def _add_stranger(self, place: _Place) -> None:
        self._strangers[place] = None
        self._by_address.setdefault(place.address, {})[place] = None

    def _forget_stranger(self, place: _Place) -> None:
        if self._strangers.pop(place, place) is None:
            there = self._by_address[place.address]
            del there[place]
            if not there:
                del self._by_address[place.address]

    def _expect_request(self, place: _Place) -> None:
        known = place not in self._strangers
        place.unread = 0
        if known:
            self._idle[place] = None
        seconds = self._bounds.idle if known else self._bounds.timeout
        place.wait(self._clock.call_later(seconds, place.drop))


class _Place(asyncio.Protocol):
    """One connection. aiohttp's ``handler`` does everything except limiting how long it may stay."""

    def __init__(self, door: HttpDoor) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._timer: Timer | None = None
        self.address = ""
        self.handler: web.RequestHandler | None = None
        self.unread: int | None = None
        """Bytes of a request that is not complete; None while one is answered."""

    def wait(self, timer: Timer | None) -> None:
        """Replace the running timer of this place; None stops it."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def drop(self) -> None:
        """End the connection at once, because the peer may not be reading."""
        self._door.leave(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_UNSENT)
        peer: Any = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else "unknown"
        self.handler = self._door.enter(self)
        if self.handler is None:
            self._transport.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
        else:
            self.handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.unread is not None:
            self.unread += len(data)
            if self.unread > self._door.head:
                self.drop()
                return
        if self.handler is not None:
            self.handler.data_received(data)

    def eof_received(self) -> None:
        if self.handler is not None:
            self.handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.handler is not None:
            self._door.leave(self)
            self.handler.connection_lost(exc)

    def pause_writing(self) -> None:
        if self.handler is not None:
            self.handler.pause_writing()

    def resume_writing(self) -> None:
        if self.handler is not None:
            self.handler.resume_writing()
