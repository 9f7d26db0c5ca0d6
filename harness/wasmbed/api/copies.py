"""Copies of the three kinds of resources, which reads are answered from: a list costs the cluster nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.resources.api import Object, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = ["KINDS", "Copies"]

KINDS: tuple[Resource, ...] = (DEVICE, APPLICATION, GATEWAY)


class Copies:
    """Current from :meth:`start` to :meth:`stop`."""

    def __init__(self, api: ResourceApi, clock: Clock, randomness: Randomness) -> None:
        self._informers = {kind: Informer(api, kind, clock, randomness) for kind in KINDS}
        self._by_gateway: Counter[str] = Counter()
        self.synced = False
        self._informers[DEVICE].add_handler(self._count)

    @property
    def informers(self) -> Mapping[Resource, Informer]:
        """By kind."""
        return self._informers

    async def start(self) -> None:
        """Return when all are complete."""
        await asyncio.gather(*(each.start() for each in self._informers.values()))
        self.synced = True

    async def stop(self) -> None:
        """Stop the watches."""
        for each in self._informers.values():
            await each.stop()

    def of(self, kind: Resource) -> Mapping[str, Object]:
        """Return every object of a kind by name."""
        return self._informers[kind].objects

    def find(self, kind: Resource, name: str) -> Object:
        """Return an object. Raises :class:`Problem` 404."""
        found = self._informers[kind].get(name)
        if found is None:
            raise Problem(404, f"there is no {kind.kind.lower()} {name}")
        return found

    def remember(self, kind: Resource, written: Object) -> None:
        """Take over the answer to a write, so that its caller reads it at once."""
        self._informers[kind].remember(written)

    def served_by(self, gateway: str) -> int:
        """Return the number of devices on record that a gateway served last."""
        return self._by_gateway[gateway]

    def _count(self, old: Object | None, new: Object | None) -> None:
        for device, change in ((old, -1), (new, 1)):
            if device is not None and (gateway := (device.get("status") or {}).get("gateway")):
                self._by_gateway[gateway] += change
                if not self._by_gateway[gateway]:
                    del self._by_gateway[gateway]
