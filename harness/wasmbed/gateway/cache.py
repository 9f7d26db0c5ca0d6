"""The gateway's own copy of the Devices, and the way to wait until one of them is so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import Object, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.views import Device

__all__ = ["DeviceCache"]

Predicate = Callable[[Device], bool]


class DeviceCache:
    """Kept current by a watch. Waiting for a device costs nothing while others change."""

    def __init__(self, api: ResourceApi, clock: Clock, randomness: Randomness) -> None:
        self._informer = Informer(api, DEVICE, clock, randomness)
        self._informer.add_handler(self._changed)
        self._waiters: dict[str, list[tuple[Predicate, asyncio.Future[Device | None]]]] = {}
        self._deleted: list[Callable[[str], object]] = []

    async def start(self) -> None:
        """Returns when every Device is known."""
        await self._informer.start()

    async def stop(self) -> None:
        await self._informer.stop()

    def __iter__(self) -> Iterator[Device]:
        return (Device(found) for found in tuple(self._informer.objects.values()))

    def get(self, name: str) -> Device | None:
        found = self._informer.get(name)
        return None if found is None else Device(found)

    def current(self, resource: Resource, name: str) -> Object | None:
        """The object's JSON form if this cache holds such objects."""
        return self._informer.get(name) if resource == DEVICE else None

    def remember(self, resource: Resource, written: Object) -> None:
        """Take over the API server's answer to a write."""
        if resource == DEVICE:
            self._informer.remember(written)

    def on_deleted(self, handler: Callable[[str], object]) -> None:
        """Call ``handler`` with the name of every Device that is deleted."""
        self._deleted.append(handler)

    async def wait_for(self, name: str, predicate: Predicate) -> Device | None:
        """The device as soon as ``predicate`` holds, or None when it is deleted; give it a deadline."""
        present = self.get(name)
        if present is None or predicate(present):
            return present
        waiter: asyncio.Future[Device | None] = asyncio.get_running_loop().create_future()
        waiting = self._waiters.setdefault(name, [])
        waiting.append((predicate, waiter))
        try:
            return await waiter
        finally:
            waiting.remove((predicate, waiter))
            if not waiting:
                self._waiters.pop(name, None)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        for predicate, waiter in self._waiters.get(name, ()):
            if not waiter.done() and (new is None or predicate(Device(new))):
                waiter.set_result(None if new is None else Device(new))
        if new is None:
            for handler in self._deleted:
                handler(name)
