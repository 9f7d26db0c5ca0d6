"""The server in the other process, as this one sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded.client import Events
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.messages import Content, Plain, Request
from harness.clusters.embedded.process.channel import Channel
from harness.clusters.embedded.values import Object
from harness.wasmbed.resources.answers import CLUSTER_SCOPED
from harness.wasmbed.resources.api import Resource

__all__ = ["RemoteServer"]


@dataclass(frozen=True, slots=True)
class _Received(Content):
    """A JSON value that belongs to its receiver."""

    data: Any

    def encode(self) -> bytes:
        return Plain(self.data).encode()

    def value(self) -> Any:
        return self.data


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: Content
    watcher: Events | None = None


class RemoteServer:
    """Requests to the server, and its answers and watch events, over a channel."""

    def __init__(self, channel: Callable[[], Channel | None]) -> None:
        """``channel`` is the present one, None when the server is gone."""
        self._channel = channel
        self._number = 0
        self._asked: dict[int, asyncio.Future[_Answer]] = {}
        self._watches: dict[int, _Watch] = {}

    @property
    def closed(self) -> bool:
        return self._channel() is None

    async def handle(self, request: Request) -> _Answer:
        channel = self._channel()
        if channel is None:
            raise _gone()
        await channel.drained()
        self._number = number = self._number + 1
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        body = None if isinstance(request.body, bytes) else request.body
        about = (request.client, request.method, request.path, request.query, request.headers)
        try:
            channel.send("request", number, *about, body)
            return await answer
        finally:
            del self._asked[number]
            if answer.cancelled():
                channel.send("unwatch", number)

    def is_namespaced(self, resource: Resource) -> bool:
        return resource not in CLUSTER_SCOPED

    def answered(self, number: int, status: int, content: Any, watched: bool) -> None:
        """An answer came."""
        asked = self._asked.get(number)
        if asked is None or asked.done():
            return
        watch = None
        if watched:
            watch = self._watches[number] = _Watch(lambda: self._unwatch(number))
        asked.set_result(_Answer(status, _Received(content), watch))

    def delivered(self, number: int, events: list[Object]) -> None:
        """Events of a watch came."""
        if number in self._watches:
            self._watches[number].put(events)

    def unwatched(self, number: int) -> None:
        """The server ended a watch."""
        if number in self._watches:
            self._watches.pop(number).end(None)

    def lost(self) -> None:
        """The server is gone."""
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(_gone())
        for watch in self._watches.values():
            watch.end(_gone())
        self._watches.clear()

    def _unwatch(self, number: int) -> None:
        if self._watches.pop(number, None) is not None and (channel := self._channel()) is not None:
            channel.send("unwatch", number)


class _Watch:
    """The events of one watch that its receiver has not taken yet. The server holds back events that it cannot send."""

    def __init__(self, unwatch: Callable[[], None]) -> None:
        self._unwatch = unwatch
        self._events: deque[Object] = deque()
        self._came = asyncio.Event()
        self._ended = False
        self._error: OSError | None = None

    def put(self, events: list[Object]) -> None:
        self._events.extend(events)
        self._came.set()

    def end(self, error: OSError | None) -> None:
        self._ended, self._error = True, error
        self._came.set()

    async def event(self) -> tuple[str, Object] | None:
        while not self._events:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._came.clear()
            await self._came.wait()
        event = self._events.popleft()
        if event["type"] == "ERROR":
            status = event["object"]
            raise StatusError(status["code"], status["reason"], status["message"])
        return event["type"], event["object"]

    def close(self) -> None:
        self._unwatch()


def _gone() -> OSError:
    return ConnectionRefusedError("the embedded cluster is stopped")
