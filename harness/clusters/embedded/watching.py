"""Watches: each change goes once to each watcher that asked for it, and is encoded once for all of them.

A watcher's queue is bounded. One that does not keep up is ended, not fed: its client goes on from the last
resourceVersion that it saw.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import orjson

from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.store import Change, StoredObject
from harness.clusters.embedded.timing import Timing
from harness.clusters.embedded.values import Object, copy_value
from harness.core.clock import Clock, Timer

__all__ = ["BOOKMARK_SECONDS", "Hub", "Presentation", "Selection", "Watcher"]

BOOKMARK_SECONDS = 60.0
BYTES_LIMIT = 64 << 20
"""The largest size of the encoded events that wait for one watcher."""
_CHUNK = 1 << 20

Predicate = Callable[[Object], bool]
Lines = dict[tuple[str, "Presentation"], bytes]
Item = tuple[str, StoredObject | Object, bytes]
"""An event: its type, its object, and how it is encoded, if it is already."""


class Presentation(Protocol):
    """The form in which a client wants objects."""

    def encode(self, entry: StoredObject) -> bytes:
        """The object's JSON in a watch event."""

    def copy(self, entry: StoredObject) -> Object:
        """The object as the receiver's own."""


class Selection:
    """Which objects a watch is about. An empty namespace or name means all."""

    __slots__ = ("name", "namespace", "predicate")

    def __init__(self, namespace: str = "", name: str = "", predicate: Predicate | None = None) -> None:
        self.namespace, self.name, self.predicate = namespace, name, predicate

    def classify(self, change: Change) -> tuple[str, StoredObject] | None:
        """The change as this selection sees it: an object that stops matching is ``DELETED`` for it."""
        if self.predicate is None:
            return change.type, change.entry
        before = change.previous is not None and self.predicate(change.previous.object)
        after = change.type != "DELETED" and self.predicate(change.entry.object)
        if after:
            return ("MODIFIED" if before else "ADDED"), change.entry
        if not before or change.previous is None:
            return None
        last = change.previous.object
        metadata = {**last["metadata"], "resourceVersion": str(change.version)}
        return "DELETED", StoredObject({**last, "metadata": metadata}, change.version)


class Watcher:
    """One client's watch: an ordered, bounded queue of events."""

    def __init__(
        self,
        selection: Selection,
        presentation: Presentation,
        *,
        encoded: bool,
        limit: int,
        timing: Timing,
        delivered: Callable[[str, Object], object] | None = None,
    ) -> None:
        self.selection = selection
        self._presentation = presentation
        self._encoded = encoded
        self._limit = limit
        self._after = 0
        self._delivered = delivered
        self._queue: deque[Item] = deque()
        self._waiting = timing.waiting(self._arrived)
        self._weight = 0
        self._initial: deque[StoredObject] = deque()
        self._initial_end: Object | None = None
        self._reader: asyncio.Future[None] | None = None
        self._timers: list[Timer] = []
        self._on_close: Callable[[Watcher], object] = lambda _: None
        self.closed = False

    def begin(self, entries: Iterable[StoredObject], end: Object | None = None) -> None:
        """The objects that the client gets first, as ``ADDED``; ``end`` is the bookmark that follows."""
        self._initial.extend(entries)
        self._initial_end = end

    def begin_after(self, version: int) -> None:
        """Say nothing of changes up to a version of the future."""
        self._after = version

    def limit_time(self, clock: Clock, seconds: float) -> None:
        """End the watch after ``seconds``."""
        self._timers.append(clock.call_later(seconds, self.close))

    def send_bookmarks(self, clock: Clock, bookmark: Callable[[], Object]) -> None:
        """Tell the client every minute how far it has come."""

        def send() -> None:
            if not self.closed:
                self._timers = [timer for timer in self._timers if timer is not armed[0]]
                self.put("BOOKMARK", bookmark())
                self.send_bookmarks(clock, bookmark)

        armed = [clock.call_later(BOOKMARK_SECONDS, send)]
        self._timers.append(armed[0])

    def offer(self, change: Change, lines: Lines) -> None:
        """Queue a change, if the selection is about it. ``lines`` keeps what is already encoded of this change."""
        if change.version <= self._after:
            return
        seen = self.selection.classify(change)
        if seen is None:
            return
        kind, entry = seen
        line = b""
        if self._encoded:
            shared = entry is change.entry
            line = lines.get((kind, self._presentation), b"") if shared else b""
            if not line:
                line = self._line(kind, entry)
                if shared:
                    lines[kind, self._presentation] = line
        self._append(kind, entry, line)

    def put(self, kind: str, value: Object) -> None:
        """Queue an event that does not come from the store: a bookmark or an error."""
        line = b'{"type":"' + kind.encode() + b'","object":' + orjson.dumps(value) + b"}\n" if self._encoded else b""
        self._append(kind, value, line)

    def _append(self, kind: str, what: StoredObject | Object, line: bytes) -> None:
        self._weight += len(line)
        if self._waiting is not None and not self.closed:
            self._waiting.put((kind, what, line))
        else:
            self._arrived((kind, what, line))
        if len(self._queue) + len(self._waiting or ()) > self._limit or self._weight > BYTES_LIMIT:
            self.close()

    def _arrived(self, item: Item) -> None:
        self._queue.append(item)
        self._wake()

    def _line(self, kind: str, entry: StoredObject) -> bytes:
        return b'{"type":"' + kind.encode() + b'","object":' + self._presentation.encode(entry) + b"}\n"

    async def read(self) -> bytes | None:
        """All encoded events that wait, as lines; suspends while there are none; None at the end."""
        if not await self._ready():
            return None
        chunks: list[bytes] = []
        size = 0
        while size < _CHUNK and (self._initial or self._initial_end or self._queue):
            kind, what, line = self._take()
            if not line and isinstance(what, StoredObject):
                line = self._line(kind, what)
            elif not line:
                line = b'{"type":"' + kind.encode() + b'","object":' + orjson.dumps(what) + b"}\n"
            chunks.append(line)
            size += len(line)
        return b"".join(chunks)

    async def event(self) -> tuple[str, Object] | None:
        """The next event, its object the receiver's own; None at the end. Raises a refusal that ended the watch."""
        if not await self._ready():
            return None
        kind, what, _ = self._take()
        if isinstance(what, StoredObject):
            return kind, self._presentation.copy(what)
        if kind == "ERROR":
            raise StatusError(what["code"], what["reason"], what["message"])
        return kind, copy_value(what)

    async def _ready(self) -> bool:
        while not (self._initial or self._initial_end or self._queue):
            if self.closed:
                return False
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return True

    def _take(self) -> Item:
        taken: Item
        if self._initial:
            taken = "ADDED", self._initial.popleft(), b""
        elif self._initial_end is not None:
            taken = "BOOKMARK", self._initial_end, b""
            self._initial_end = None
        else:
            taken = self._queue.popleft()
            self._weight -= len(taken[2])
        if self._delivered is not None and isinstance(taken[1], StoredObject):
            self._delivered(taken[0], taken[1].object)
        return taken

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def close(self) -> None:
        """End the watch; what waits can still be read."""
        if self.closed:
            return
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        if self._waiting is not None:
            self._waiting.end()
        self._on_close(self)
        self._wake()

    def attach(self, on_close: Callable[[Watcher], object]) -> None:
        self._on_close = on_close


class Hub:
    """The watchers of one collection, found by what a change is about."""

    def __init__(self) -> None:
        self._watchers: dict[tuple[str, str], dict[Watcher, None]] = {}

    def add(self, watcher: Watcher) -> None:
        key = (watcher.selection.namespace, watcher.selection.name)
        self._watchers.setdefault(key, {})[watcher] = None
        watcher.attach(self._remove)

    def _remove(self, watcher: Watcher) -> None:
        key = (watcher.selection.namespace, watcher.selection.name)
        inside = self._watchers[key]
        inside.pop(watcher, None)
        if not inside:
            del self._watchers[key]

    def publish(self, change: Change) -> None:
        """Tell those whom the change concerns."""
        if not self._watchers:
            return
        namespace, name = change.key
        lines: Lines = {}
        for key in dict.fromkeys(((namespace, name), (namespace, ""), ("", name), ("", ""))):
            for watcher in tuple(self._watchers.get(key, ())):
                watcher.offer(change, lines)

    def watchers(self) -> list[Watcher]:
        return [watcher for inside in self._watchers.values() for watcher in inside]

    def close(self) -> None:
        """End every watch."""
        for watcher in self.watchers():
            watcher.close()
