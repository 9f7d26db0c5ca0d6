"""The gateway's local copy of the Devices, with a way to wait for a condition of one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import NotFound, Object, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.views import Device

__all__ = ["DeviceCache"]

Predicate = Callable[[Device], bool]


class DeviceCache:
    """A copy that a watch keeps current. Waiting for one device costs nothing while others change."""

    def __init__(self, api: ResourceApi, clock: Clock, randomness: Randomness) -> None:
        self._informer = Informer(api, DEVICE, clock, randomness)
        self._informer.add_handler(self._changed)
        self._waiters: dict[str, list[tuple[Predicate, asyncio.Future[Device | None]]]] = {}
        self._deleted: list[Callable[[str], object]] = []
        self._suspended: list[Callable[[str], object]] = []

    async def start(self) -> None:
        """Return when every Device is known."""
        await self._informer.start()

    async def stop(self) -> None:
        """Stop the watch."""
        await self._informer.stop()

    def __iter__(self) -> Iterator[Device]:
        return (Device(found) for found in tuple(self._informer.objects.values()))

    def get(self, name: str) -> Device | None:
        """Return the Device of that name."""
        found = self._informer.get(name)
        return None if found is None else Device(found)

    def current(self, resource: Resource, name: str) -> Object | None:
        """Return the object's JSON form; None for resources other than Devices."""
        return self._informer.get(name) if resource == DEVICE else None

    async def read(self, name: str) -> Device | None:
        """Return the Device of that name as the API server has it now. Raises :class:`ApiError` and OSError."""
        try:
            self._informer.remember(await self._informer.api.get(DEVICE, name))
        except NotFound:
            return None
        return self.get(name)

    def remember(self, resource: Resource, written: Object) -> None:
        """Take over the API server's answer to a write."""
        if resource == DEVICE:
            self._informer.remember(written)

    def on_deleted(self, handler: Callable[[str], object]) -> None:
        """Call ``handler`` with the name of every Device that is deleted."""
        self._deleted.append(handler)

    def on_suspended(self, handler: Callable[[str], object]) -> None:
        """Call ``handler`` with the name of every Device that becomes suspended."""
        self._suspended.append(handler)

    async def wait_for(self, name: str, predicate: Predicate) -> Device | None:
        """Return the device as soon as ``predicate`` holds, or None when it is deleted. Callers set a deadline."""
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
        elif _is_suspended(new) and not _is_suspended(old):
            for handler in self._suspended:
                handler(name)


def _is_suspended(device: Object | None) -> bool:
    return device is not None and Device(device).spec.suspended
