"""Sends server-sent events as the answer to a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from harness.core.http_door import HttpDoor

__all__ = ["send_events"]


async def send_events(request: web.Request, door: HttpDoor, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send ``pieces``, each one or more whole events, until they end or the client leaves; one that does not read is
    disconnected. Returns the answer, which has been sent then."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    with suppress(ConnectionError):  # it has left, or does not read
        async with door.sending(request.protocol):
            await response.prepare(request)
            await response.write(b":\n\n")
        async for piece in pieces:
            async with door.sending(request.protocol):
                await response.write(piece)
    return response
