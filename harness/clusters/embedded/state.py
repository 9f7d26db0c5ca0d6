"""The state that all operations of one server share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from harness.clusters.embedded import errors
from harness.clusters.embedded.builtin import built_in_types
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.store import Change, Collection, Store
from harness.clusters.embedded.timing import Timing
from harness.clusters.embedded.types import Registry, ResourceType
from harness.clusters.embedded.watching import Hub
from harness.clusters.watch_times import WatchTimes
from harness.core.clock import Clock
from harness.core.identifiers import Randomness

__all__ = ["DEFAULT_LOG_LIMIT", "State"]

DEFAULT_LOG_LIMIT = 4_000
"""How many changes of one type are kept for watches to resume from."""
_AFTER_TYPE = 1.0
"""Seconds that watches of a type outlive it, as in Kubernetes."""


class State:
    """The store, the types, the watchers, and where time and randomness come from."""

    def __init__(self, clock: Clock, randomness: Randomness, log_limit: int, times: WatchTimes) -> None:
        self.clock = clock
        self.randomness = randomness
        self.timing = Timing(times, clock, randomness.fork("watch times"))
        self.log_limit = log_limit
        self.store = Store(log_limit)
        self.registry = Registry()
        self._hubs: dict[str, Hub] = {}
        self._leaving: list[Hub] = []
        """Of types that are gone."""
        for served in built_in_types():
            self.registry.add(served)

    def collection(self, served: ResourceType) -> Collection:
        """Where a type's objects are."""
        collection = self.store.collection(served.collection)
        if served.collection not in self._hubs:
            hub = self._hubs[served.collection] = Hub()
            collection.listeners.append(lambda change: self._publish(collection, hub, change))
        return collection

    def _publish(self, collection: Collection, hub: Hub, change: Change) -> None:
        """Tell the watchers of a change, once it is kept."""
        if self.store.journal is None:
            hub.publish(change)
            return

        def publish() -> None:
            hub.publish(change)
            if collection.get(change.key) is not change.entry:
                change.entry.forget_json()

        self.store.journal.defer(publish)

    @property
    def kept_version(self) -> int:
        """The resourceVersion that every watcher may know: what came after it may still be lost."""
        return self.store.version if self.store.journal is None else self.store.journal.version

    def hub(self, served: ResourceType) -> Hub:
        """The watchers of a type."""
        self.collection(served)
        return self._hubs[served.collection]

    def hubs(self) -> list[Hub]:
        return [*self._hubs.values(), *self._leaving]

    def drop(self, served: ResourceType) -> None:
        """Forget a type's objects, and end the watches of it a second later.

        A client whose watch ends at once takes it for broken, and says so to its user.
        """
        if (hub := self._hubs.pop(served.collection, None)) is not None:
            self._leaving = [one for one in self._leaving if one.watchers()] + [hub]
            hub.close_later(self.clock, _AFTER_TYPE)
        self.store.drop(served.collection)

    def now(self) -> str:
        """The time as objects carry it (RFC 3339, whole seconds)."""
        return _in_words(int(self.clock.now()))

    def check_version(self, text: str, code: int = 400) -> int:
        """A resourceVersion that a reader demands. Raises the refusal for one that is not reached yet."""
        version = self.store.parse_version(text, code)
        if version > self.store.version:
            message = f"Too large resource version: {version}, current: {self.store.version}"
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            details = {"causes": [cause], "retryAfterSeconds": 1}
            raise StatusError(504, "Timeout", f"Timeout: {message}", details, {"Retry-After": "1"})
        return version

    def namespace_is_open(self, namespace: str, served: ResourceType, name: str) -> None:
        """Raise the refusal unless objects can be created in a namespace."""
        entry = self.store.collection("namespaces").get(("", namespace))
        if entry is None:
            raise errors.not_found("", "namespaces", namespace)
        if "deletionTimestamp" in entry.object["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise errors.forbidden(served.group, served.plural, name, why, [cause])

    def clear(self) -> None:
        """Forget all objects and the types that they defined."""
        for hub in self.hubs():
            hub.close()
        self._hubs.clear()
        self._leaving.clear()
        self.store = Store(self.log_limit)
        for served in [served for served in self.registry if served.custom]:
            self.registry.remove(served.group, served.plural)


@lru_cache(maxsize=1)
def _in_words(seconds: int) -> str:
    """A moment since the epoch (RFC 3339); of several writes in a second the first one spells it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00") + "Z"
