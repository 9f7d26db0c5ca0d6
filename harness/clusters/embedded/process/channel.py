"""A connection between two processes that carries lines of JSON, in order.

The server's process sends the events at its boundary, its answers and its watch events over one channel, so that a
record of them has causes before effects.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Self, cast

import orjson

from harness.core.plain_json import plain

__all__ = ["Channel"]


class Channel(asyncio.Protocol):
    """One end."""

    def __init__(self, received: Callable[[list[Any]], object], lost: Callable[[], object]) -> None:
        self._received, self._lost = received, lost
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()

    @classmethod
    async def open(
        cls, end: socket.socket, received: Callable[[list[Any]], object], lost: Callable[[], object]
    ) -> Self:
        """Talk over ``end``, which the channel owns from then on. ``lost`` is called once the other end is gone."""
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: cls(received, lost), sock=end)
        return channel

    def send(self, *message: Any) -> None:
        """Send a message; a message to an end that is gone is dropped. Text stands for values that JSON cannot hold."""
        if self._transport is not None:
            self._transport.write(_line(message))

    async def drained(self) -> None:
        """Return when there is room for further messages."""
        await self._drained.wait()

    def close(self) -> None:
        """Send no more messages; those that were sent still go out."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for line in ended:
            self._parts.append(line)
            whole, self._parts = b"".join(self._parts), []
            self._received(orjson.loads(whole))
        if rest:
            self._parts.append(rest)

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._drained.set()
        self._lost()


def _line(message: tuple[Any, ...]) -> bytes:
    try:
        return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a client's header may hold a byte that is not text
        return orjson.dumps(plain(message), option=orjson.OPT_APPEND_NEWLINE)
