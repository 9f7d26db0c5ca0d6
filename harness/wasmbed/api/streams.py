"""The two streams of changes: server-sent events at ``/api/v1/events``, and the WebSocket ``/ws``."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import orjson
from aiohttp import WSMsgType, web

from harness.core.clock import Clock
from harness.core.event_stream import RESET, Event, Subscription
from harness.core.http_events import send_events
from harness.core.http_site import HttpSite
from harness.wasmbed.api.access import Access, Standing
from harness.wasmbed.api.events import ALL_KINDS, Changes, EventQuery, read_kinds
from harness.wasmbed.api.operation import Call, NoBody, Operation, Right
from harness.wasmbed.api.problems import Problem

__all__ = ["Streams"]

_PROTOCOL = "wasmbed.io"
_TOKEN_PROTOCOL = "base64url.bearer.authorization.k8s.io."
"""As with Kubernetes' own WebSockets: browsers cannot send an Authorization header with them."""
_LARGEST_MESSAGE = 1024


class Streams:
    """The operations."""

    def __init__(self, changes: Changes, access: Access, site: HttpSite, clock: Clock) -> None:
        self._changes, self._access, self._site, self._clock = changes, access, site, clock

    def operations(self) -> list[Operation]:
        """Return those of the document."""
        return [
            Operation(
                name="watchEvents", method="GET", path="/api/v1/events", run=self._follow, answer=None,
                media_type="text/event-stream", query=EventQuery, right=Right("watch", "devices"),
                summary="Changes as server-sent events: data is change, kind and object, as the lists show it. "
                "Last-Event-ID asks for what came since; the event reset says that changes were missed.",
            )
        ]  # fmt: skip

    async def _follow(self, call: Call[NoBody, EventQuery]) -> web.StreamResponse:
        request, kinds = call.request, read_kinds(call.query.kinds)
        standing = self._standing(request.headers.get("Authorization", ""), kinds)
        await standing.check()
        with self._changes.subscribed(kinds, request.headers.get("Last-Event-ID", "")) as subscription:
            pieces = (subscription.encode(batch) async for batch in _batches(subscription, standing))
            return await send_events(request, self._site.door, pieces)

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Serve the WebSocket: one message for each change, in JSON."""
        standing = self._standing(_authorization(request), ALL_KINDS)
        await standing.check()
        self._site.door.recognize(request.protocol)
        with self._changes.subscribed(ALL_KINDS, "") as subscription:
            socket = web.WebSocketResponse(protocols=(_PROTOCOL,), heartbeat=15.0, max_msg_size=_LARGEST_MESSAGE)
            await socket.prepare(request)
            reader = asyncio.create_task(_read(socket, subscription))
            try:
                with suppress(ConnectionError):
                    async for batch in _batches(subscription, standing):
                        for change in batch:
                            async with self._site.door.sending(request.protocol):
                                await socket.send_str(_message(change.kind, change.text))
                    await socket.close()
            finally:
                reader.cancel()
                await asyncio.wait([reader])
        return socket

    def _standing(self, authorization: str, kinds: Iterable[str]) -> Standing:
        rights = [Right("watch", f"{kind}s") for kind in sorted(kinds)]
        return Standing(self._access, authorization, rights, self._clock)


async def _batches(subscription: Subscription, standing: Standing) -> AsyncIterator[list[Event]]:
    """Yield a subscription's batches, for as long as its caller may have them."""
    async for batch in subscription.batches():
        if not await standing.lasts():
            return
        yield batch


async def _read(socket: web.WebSocketResponse, subscription: Subscription) -> None:
    """Read what a client sends, which nobody asked for, until it leaves."""
    async for message in socket:
        if message.type == WSMsgType.ERROR:
            break
    subscription.end()


def _message(kind: str, text: bytes) -> str:
    if kind == RESET:
        return orjson.dumps({"change": "reset"}).decode()
    return text.decode()


def _authorization(request: web.Request) -> str:
    if "Authorization" in request.headers:
        return request.headers["Authorization"]
    for each in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        encoded = each.strip().removeprefix(_TOKEN_PROTOCOL)
        if encoded != each.strip():
            try:
                token = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise Problem(401, f"the token in Sec-WebSocket-Protocol is not base64url: {error}") from error
            return f"Bearer {token}"
    return ""
