"""Watches: each change goes once to each watcher that asked for it, and is encoded once for all of them.

A watcher's queue is bounded. One that does not keep up is ended, not fed: its client goes on from the last
resourceVersion that it saw. Queues hold references: however many watchers wait, an object's JSON exists once.
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
"""The largest size of the events that wait for one watcher."""
_CHUNK = 64 << 10
"""Bytes from which on no further event is taken in one go."""

Predicate = Callable[[Object], bool]
Encoded = dict["Presentation", bytes]
"""The JSON of one change's object, by the form."""
Item = tuple[str, StoredObject | Object, bytes, int]
"""An event: its type, its object, the object's JSON if there is one for all watchers, and its size in bytes."""


class Presentation(Protocol):
    """The form in which a client wants objects."""

    @property
    def shared(self) -> bool:
        """Whether an object's JSON is the same for all watchers with equal forms."""

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

    def offer(self, change: Change, encoded: Encoded) -> None:
        """Queue a change, if the selection is about it. ``encoded`` keeps what is already encoded of this change."""
        if change.version <= self._after:
            return
        seen = self.selection.classify(change)
        if seen is None:
            return
        kind, entry = seen
        data = b""
        if self._encoded and entry is change.entry and self._presentation.shared:
            data = encoded.get(self._presentation, b"")
            if not data:
                data = encoded[self._presentation] = self._presentation.encode(entry)
        self._append(kind, entry, data, len(data) or change.size)

    def put(self, kind: str, value: Object) -> None:
        """Queue an event that does not come from the store: a bookmark or an error."""
        self._append(kind, value, b"", 0)

    def _append(self, kind: str, what: StoredObject | Object, data: bytes, size: int) -> None:
        self._weight += size
        if self._waiting is not None and not self.closed:
            self._waiting.put((kind, what, data, size))
        else:
            self._arrived((kind, what, data, size))
        if len(self._queue) + len(self._waiting or ()) > self._limit or self._weight > BYTES_LIMIT:
            self.close()

    def _arrived(self, item: Item) -> None:
        self._queue.append(item)
        self._wake()

    async def read(self) -> list[bytes] | None:
        """Events that wait, in pieces: their lines, one after the other, cut without copies of large objects.

        Suspends while there are none; None at the end.
        """
        if not await self._ready():
            return None
        pieces: list[bytes] = []
        size = 0
        while size < _CHUNK and (self._initial or self._initial_end or self._queue):
            kind, what, data, _ = self._take()
            if not data:
                data = self._presentation.encode(what) if isinstance(what, StoredObject) else orjson.dumps(what)
            pieces += (b'{"type":"' + kind.encode() + b'","object":', data, b"}\n")
            size += len(data)
        return pieces

    async def event(self) -> tuple[str, Object] | None:
        """The next event, its object the receiver's own; None at the end. Raises a refusal that ended the watch."""
        if not await self._ready():
            return None
        kind, what, _, _ = self._take()
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
            taken = "ADDED", self._initial.popleft(), b"", 0
        elif self._initial_end is not None:
            taken = "BOOKMARK", self._initial_end, b"", 0
            self._initial_end = None
        else:
            taken = self._queue.popleft()
            self._weight -= taken[3]
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
        self._timer: Timer | None = None

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
        if not self._watchers and self._timer is not None:
            self._timer.cancel()

    def publish(self, change: Change) -> None:
        """Tell those whom the change concerns."""
        if not self._watchers:
            return
        namespace, name = change.key
        encoded: Encoded = {}
        for key in dict.fromkeys(((namespace, name), (namespace, ""), ("", name), ("", ""))):
            for watcher in tuple(self._watchers.get(key, ())):
                watcher.offer(change, encoded)

    def watchers(self) -> list[Watcher]:
        return [watcher for inside in self._watchers.values() for watcher in inside]

    def close(self) -> None:
        """End every watch."""
        for watcher in self.watchers():
            watcher.close()

    def close_later(self, clock: Clock, seconds: float) -> None:
        """End the watches that are still open after ``seconds``."""
        if self._watchers:
            self._timer = clock.call_later(seconds, self.close)
