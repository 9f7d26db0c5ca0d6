"""A manager's HTTP API, beside its probes: the consoles of its boards, for those with its token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from hmac import compare_digest

import orjson
from aiohttp import web

from harness.core.event_stream import EventStream, TooManySubscribers
from harness.core.http_door import HttpDoor
from harness.core.http_events import send_events
from harness.emulators.consoles import Consoles

__all__ = ["ConsoleRoutes"]

_Handler = Callable[[web.Request, EventStream], Awaitable[web.StreamResponse]]


class ConsoleRoutes:
    """The latest lines of a board at ``/api/v1/consoles/DEVICE``, and the same with all further ones as server-sent
    events at ``/api/v1/consoles/DEVICE/events``; Last-Event-ID asks for what came since."""

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles

    def routes(self, door: Callable[[], HttpDoor]) -> list[web.RouteDef]:
        """Return them for a server with this door."""

        async def read(request: web.Request, stream: EventStream) -> web.StreamResponse:
            lines = b",".join(each.text for each in stream.kept)
            body = b'{"lines":[%s],"lastEventId":%s}' % (lines, orjson.dumps(stream.last_id))
            return web.Response(body=body, content_type="application/json")

        async def follow(request: web.Request, stream: EventStream) -> web.StreamResponse:
            try:
                with stream.subscribed(request.headers.get("Last-Event-ID", ""), from_oldest=True) as subscription:
                    pieces: AsyncIterator[bytes] = (subscription.encode(each) async for each in subscription.batches())
                    return await send_events(request, door(), pieces)
            except TooManySubscribers as error:
                return web.Response(status=503, text=f"{error}\n", headers={"Retry-After": "5"})

        one = "/api/v1/consoles/{device}"
        return [
            web.get(one, self._guarded(door, read), allow_head=False),
            web.get(f"{one}/events", self._guarded(door, follow), allow_head=False),
        ]

    def _guarded(
        self, door: Callable[[], HttpDoor], handler: _Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            given = token.strip().encode("utf-8", "surrogateescape")
            if scheme.lower() != "bearer" or not compare_digest(given, self._consoles.token.encode()):
                return web.Response(status=401, text="the token of this manager's Secret is needed\n")
            door().recognize(request.protocol)
            stream = self._consoles.find(request.match_info["device"])
            if stream is None:
                return web.Response(status=404, text="this manager has no console of that device\n")
            return await handler(request, stream)

        return handle
