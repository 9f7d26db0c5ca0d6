"""The consoles of the boards that a manager runs: their latest lines, also of a board that has ended, for those who ask
at the manager's HTTP API.

A Secret has that API's address and token, as with a gateway's API; ``status.board.consoleHost`` of a Device names the
manager.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress

import orjson

from harness.boards.console import Console
from harness.core.clock import Clock
from harness.core.event_stream import EventStream
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import Conflict, NotFound, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import (
    PURPOSE_EMULATORS_API,
    PURPOSE_LABEL,
    TOKEN_KEY,
    URL_KEY,
    emulators_api_secret,
)
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Consoles"]

KEPT, LONGEST = 500, 2048
"""Lines of one device that are kept, and the characters of each."""
_SUBSCRIBERS = 16
"""Of one device: the API servers, each with one for each of their own callers."""
_LINE = "line"


class Consoles:
    """The consoles of the manager ``identity``. ``token`` protects its API; another run of it has another one."""

    def __init__(self, api: ResourceApi, identity: str, clock: Clock, randomness: Randomness) -> None:
        self._api, self._identity, self._clock = api, identity, clock
        self.token = randomness.token(32)
        self._epoch = randomness.token(4).replace("-", "_")
        self._streams: dict[str, EventStream] = {}
        self._url = ""
        self._publishing = asyncio.Lock()
        self._published = ""

    def served_at(self, url: str) -> None:
        """Note the address of the API, which :meth:`publish` writes."""
        self._url = url

    async def publish(self) -> None:
        """Write the Secret, unless it is written or there is no API. Raises :class:`ApiError` and OSError."""
        async with self._publishing:
            if self._published == self._url:
                return
            name = emulators_api_secret(self._identity)
            data = {TOKEN_KEY: _encoded(self.token), URL_KEY: _encoded(self._url)}
            body = {
                "apiVersion": SECRET.api_version,
                "kind": SECRET.kind,
                "metadata": {"name": name, "labels": {PURPOSE_LABEL: PURPOSE_EMULATORS_API}},
                "type": "Opaque",
                "data": data,
            }
            try:
                await self._api.create(SECRET, body)
            except Conflict:  # of an earlier run
                await self._api.patch(SECRET, name, {"data": data})
            self._published = self._url

    async def withdraw(self) -> None:
        """Delete the Secret, because the API ends. Raises :class:`ApiError` and OSError."""
        if self._published:
            with suppress(NotFound):  # somebody was first
                await self._api.delete(SECRET, emulators_api_secret(self._identity))
            self._published = ""

    def find(self, device: str) -> EventStream | None:
        """Return the lines of a device's board, None if this manager has none."""
        return self._streams.get(device)

    def follow(self, device: str, console: Console) -> None:
        """Keep the lines of a board that begins, for as long as it is there."""
        console.listen(lambda line: self._put(device, "board", line))

    def note(self, device: str, text: str) -> None:
        """Add what this manager did, or saw, as a line of its own."""
        self._put(device, "manager", text)

    def forget(self, device: str) -> None:
        """Drop the lines, and end the streams: the device is deleted, or another manager has its board."""
        if (stream := self._streams.pop(device, None)) is not None:
            stream.close()

    def close(self) -> None:
        """End all streams; the lines stay."""
        for stream in self._streams.values():
            stream.close()

    def _put(self, device: str, source: str, text: str) -> None:
        stream = self._streams.get(device)
        if stream is None:
            stream = EventStream(self._clock, self._epoch, kept=KEPT, most=_SUBSCRIBERS)
            self._streams[device] = stream
        shown = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        stream.put(_LINE, orjson.dumps({"at": format_timestamp(self._clock.now()), "source": source, "line": shown}))


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
