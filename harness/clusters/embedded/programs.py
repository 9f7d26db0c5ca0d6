"""Other programs that a stack lets in over the socket, each under a name of its own and behind the stack's gate."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import orjson
from aiohttp import web

from harness.clusters.embedded.errors import StatusError
from harness.clusters.gate import Gate, read_request
from harness.wasmbed.resources.api import ApiError

__all__ = ["Program"]

_GONE = 410


class Program:
    """A program that the bearer of one token is."""

    def __init__(self, name: str, gate: Gate) -> None:
        self.name, self._gate = name, gate
        self._expired: set[str] = set()
        """Kinds whose watches the gate ended with 410: they have to be listed before they are watched again."""

    async def enter(self, request: web.BaseRequest) -> None:
        """Return when a request may go on. Raises :class:`StatusError`, or :class:`ConnectionError` after cutting the
        connection."""
        asked = read_request(request.method, request.rel_url.raw_path, request.query)
        if asked is None:
            return
        try:
            await self._gate.enter(self.name, asked.verb, asked.resource, asked.name)
        except ApiError as error:
            raise StatusError(error.code, error.reason, str(error)) from error
        except OSError as error:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError(str(error)) from error
        if asked.verb == "list":
            self._expired.discard(asked.resource.kind)
        elif asked.verb == "watch" and asked.resource.kind in self._expired:
            raise StatusError(_GONE, "Expired", "the watch: the test makes this fail")

    async def watch(self, request: web.BaseRequest, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The events of a watch up to the moment at which the gate ends it."""
        asked = read_request(request.method, request.rel_url.raw_path, request.query)
        if asked is None:
            async for lines in events:
                yield lines
            return
        with self._gate.watching(self.name, asked.resource) as watching:
            async for lines in events:
                if watching.ends_with is None:
                    yield lines
                    continue
                if watching.ends_with == _GONE:
                    self._expired.add(asked.resource.kind)
                if watching.ends_with:
                    error = StatusError(watching.ends_with, "Expired", "the watch: the test makes this fail")
                    yield orjson.dumps({"type": "ERROR", "object": error.status()}) + b"\n"
                break
        await events.aclose()
