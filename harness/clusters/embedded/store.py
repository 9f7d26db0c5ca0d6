"""Stored objects, their versions, and their changes: one counter for everything, one log per resource type.

An entry is never altered, and neither is the object in it; code that hands an object out of the server copies it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import orjson

from harness.clusters.embedded.errors import StatusError, expired
from harness.clusters.embedded.values import Object

__all__ = ["Change", "Collection", "Journal", "Key", "Store", "StoredObject"]

Key = tuple[str, str]
"""Namespace (empty where the type has none) and name."""

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


_LOG_BYTES = 64 << 20
"""The bytes of requests whose changes one type's log keeps for watches to resume from."""


class StoredObject:
    """One version of one object."""

    __slots__ = ("_json", "object", "version")

    def __init__(self, stored: Object, version: int) -> None:
        self.object = stored
        self.version = version
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The object's JSON, made once for all who read it."""
        if self._json is None:
            self._json = orjson.dumps(self.object)
        return self._json

    def forget_json(self) -> None:
        """Free the JSON of a version that is no longer current."""
        self._json = None


class Change:
    """The change at one resourceVersion: the entry it left, and the one it found."""

    __slots__ = ("entry", "key", "previous", "size", "type", "version")

    def __init__(
        self, kind: ChangeType, key: Key, entry: StoredObject, previous: StoredObject | None, size: int = 0
    ) -> None:
        self.type: ChangeType = kind
        self.size = size
        """Bytes of the request, which is about what it costs to keep beside the version before."""
        self.key = key
        self.entry = entry
        self.previous = previous
        self.version = entry.version


class Journal(Protocol):
    """Keeps changes beyond the end of the process."""

    @property
    def version(self) -> int:
        """The resourceVersion up to which everything is kept."""

    def append(self, collection: str, change: Change) -> None:
        """Take a change that is about to be made."""

    def dropped(self, collection: str) -> None:
        """Take the end of a type."""

    def defer(self, publish: Callable[[], object]) -> None:
        """Call ``publish`` once the changes up to now are kept."""


class Collection:
    """All objects of one resource type, with the log of their last changes."""

    def __init__(self, name: str, floor: int, log_limit: int) -> None:
        self.name = name
        self._entries: dict[Key, StoredObject] = {}
        self._namespaces: dict[str, dict[str, StoredObject]] = {}
        self._order: list[Key] | None = []
        self._log: deque[Change] = deque()
        self._log_size = 0
        self._log_limit = log_limit
        self._floor = floor
        """Changes up to this version are forgotten."""
        self.listeners: list[Callable[[Change], object]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> StoredObject | None:
        return self._entries.get(key)

    def is_empty(self, namespace: str) -> bool:
        """Whether a namespace has none of these objects."""
        return not self._namespaces.get(namespace)

    def entries(self, namespace: str = "") -> Iterator[tuple[Key, StoredObject]]:
        """The objects of one namespace, or all, in the order of namespace and name."""
        if namespace:
            inside = self._namespaces.get(namespace, {})
            return iter([((namespace, name), inside[name]) for name in sorted(inside)])
        if self._order is None:
            self._order = sorted(self._entries)
        return iter([(key, self._entries[key]) for key in self._order])

    def entries_at(self, version: int, namespace: str = "") -> Iterator[tuple[Key, StoredObject]]:
        """The same as it was at an earlier version. Raises the 410 refusal where that is forgotten."""
        past: dict[Key, StoredObject | None] = {}
        for change in self._newest_first(version):
            past[change.key] = change.previous
        if not past:
            return self.entries(namespace)
        state: dict[Key, StoredObject | None] = {**self._entries, **past}
        return iter(
            [
                (key, entry)
                for key, entry in sorted(state.items(), key=lambda item: item[0])
                if entry is not None and namespace in ("", key[0])
            ]
        )

    def changes_after(self, version: int) -> list[Change]:
        """Return the changes since, oldest first. Raises the 410 refusal where a part of it is forgotten."""
        return self._newest_first(version)[::-1]

    def _newest_first(self, version: int) -> list[Change]:
        if version < self._floor:
            raise expired(f"too old resource version: {version} ({self._floor})")
        found = []
        for change in reversed(self._log):
            if change.version <= version:
                break
            found.append(change)
        return found

    def record(self, change: Change) -> None:
        """Make a change, log it, and tell the listeners."""
        namespace, name = key = change.key
        if change.type == "DELETED":
            del self._entries[key]
            del self._namespaces[namespace][name]
            self._order = None
        else:
            if change.type == "ADDED":
                self._order = None
            self._entries[key] = change.entry
            self._namespaces.setdefault(namespace, {})[name] = change.entry
        self._log.append(change)
        self._log_size += change.size
        while len(self._log) > self._log_limit or self._log_size > _LOG_BYTES:
            forgotten = self._log.popleft()
            self._log_size -= forgotten.size
            self._floor = forgotten.version
        for listener in self.listeners:
            listener(change)
        if change.previous is not None:
            change.previous.forget_json()
        if change.type == "DELETED":
            change.entry.forget_json()

    def compact(self, version: int) -> None:
        """Forget the log: watches and pages that start before ``version`` get 410."""
        self._log.clear()
        self._log_size = 0
        self._floor = version

    def load(self, key: Key, entry: StoredObject) -> None:
        """Put an object of a snapshot in its place, without a change."""
        self._entries[key] = entry
        self._namespaces.setdefault(key[0], {})[key[1]] = entry
        self._order = None


class Store:
    """Every collection, by the name of its type (``devices.wasmbed.io``), and the one resourceVersion."""

    def __init__(self, log_limit: int) -> None:
        self.version = 1
        self.journal: Journal | None = None
        self._log_limit = log_limit
        self._collections: dict[str, Collection] = {}
        self._floor = 0
        self._dropped: dict[str, int] = {}

    def collection(self, name: str) -> Collection:
        """A type's collection, made where it is not there yet."""
        found = self._collections.get(name)
        if found is None:
            floor = self._dropped.get(name, self._floor)
            found = self._collections[name] = Collection(name, floor, self._log_limit)
        return found

    def collections(self) -> Iterator[tuple[str, Collection]]:
        return iter(tuple(self._collections.items()))

    def drop(self, name: str) -> None:
        """Forget a type."""
        self._collections.pop(name, None)
        self._dropped[name] = self.version
        if self.journal is not None:
            self.journal.dropped(name)

    def compact(self) -> None:
        """Forget what happened: watches and pages that start before now get 410."""
        self._floor = self.version
        self._dropped.clear()
        for collection in self._collections.values():
            collection.compact(self.version)

    def restore(self, version: int) -> None:
        """Go on from the resourceVersion of a snapshot, whose past is not known."""
        self.version = version
        self.compact()

    def write(self, collection: Collection, kind: ChangeType, key: Key, stored: Object, size: int = 0) -> StoredObject:
        """Give ``stored`` the next resourceVersion and record the change; ``stored`` is the store's from then on.

        ``size``: the bytes of the request.
        """
        self.version += 1
        stored["metadata"]["resourceVersion"] = str(self.version)
        entry = StoredObject(stored, self.version)
        change = Change(kind, key, entry, collection.get(key), size)
        if self.journal is not None:
            self.journal.append(collection.name, change)
        collection.record(change)
        return entry

    def parse_version(self, text: str, code: int = 400) -> int:
        """A resourceVersion that a client sent. Raises a refusal, 400 or 500, for one that is not a number."""
        why = ""
        if not text.isascii() or not text.isdigit():
            why = "invalid syntax"
        elif len(text.lstrip("0")) > 20 or int(text) >= 1 << 64:
            why = "value out of range"
        if why:
            message = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {why}'
            if code == 400:
                raise StatusError(400, "BadRequest", f"invalid resource version: resourceVersion: {message}")
            raise StatusError(code, "", f"resourceVersion: {message}")
        return int(text)
