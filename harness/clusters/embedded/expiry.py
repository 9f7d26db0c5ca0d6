"""Events are kept for an hour after they were last written, as in Kubernetes (``kube-apiserver --event-ttl``)."""

from __future__ import annotations

from collections import deque

from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Change, Key

__all__ = ["EVENT_SECONDS", "Expiry"]

EVENT_SECONDS = 3600.0
_EVENTS = "events"


class Expiry:
    """Deletes Events whose time is over when :meth:`sweep` is called: before every request."""

    def __init__(self, state: State, lifecycle: Lifecycle) -> None:
        self._state, self._lifecycle = state, lifecycle
        self._due: deque[tuple[float, Key, int]] = deque()

    def restored(self) -> None:
        """Follow the Events that there are; those of a snapshot count from now on."""
        self._due.clear()
        collection = self._state.collection(self._state.registry.storing(_EVENTS))
        for key, entry in collection.entries():
            self._expect(key, entry.version)
        collection.listeners.append(self._written)

    def sweep(self) -> None:
        now = self._state.clock.now()
        while self._due and self._due[0][0] <= now:
            _, key, version = self._due.popleft()
            served = self._state.registry.storing(_EVENTS)
            entry = self._state.collection(served).get(key)
            if entry is not None and entry.version == version:
                self._lifecycle.delete(served, key)

    def _written(self, change: Change) -> None:
        if change.type != "DELETED":
            self._expect(change.key, change.version)

    def _expect(self, key: Key, version: int) -> None:
        self._due.append((self._state.clock.now() + EVENT_SECONDS, key, version))
