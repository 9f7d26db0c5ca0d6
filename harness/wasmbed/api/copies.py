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
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY, SECRET
from harness.wasmbed.resources.names import PAIRING_SECRET_PREFIX, PURPOSE_LABEL, PURPOSE_PAIRING, pairing_secret
from harness.wasmbed.resources.phases import DevicePhase

__all__ = ["KINDS", "Copies"]

KINDS: tuple[Resource, ...] = (DEVICE, APPLICATION, GATEWAY)


class Copies:
    """Current from :meth:`start` to :meth:`stop`."""

    def __init__(self, api: ResourceApi, clock: Clock, randomness: Randomness) -> None:
        self._informers = {kind: Informer(api, kind, clock, randomness) for kind in KINDS}
        labels = f"{PURPOSE_LABEL}={PURPOSE_PAIRING}"
        self._pairings = Informer(api, SECRET, clock, randomness, label_selector=labels)
        self._by_gateway: Counter[str] = Counter()
        self.synced = False
        self._informers[DEVICE].add_handler(self._count)

    @property
    def informers(self) -> Mapping[Resource, Informer]:
        """By kind."""
        return self._informers

    async def start(self) -> None:
        """Return when all are complete."""
        await asyncio.gather(*(each.start() for each in (*self._informers.values(), self._pairings)))
        self.synced = True

    async def catch_up(self, within: float) -> None:
        """Return when all changes until now are known. Raises :class:`TimeoutError` after ``within`` seconds."""
        for each in (*self._informers.values(), self._pairings):
            await each.catch_up(within)

    async def stop(self) -> None:
        """Stop the watches."""
        for each in (*self._informers.values(), self._pairings):
            await each.stop()

    def of(self, kind: Resource) -> Mapping[str, Object]:
        """Return every object of a kind by name."""
        return self._informers[kind].objects

    def find(self, kind: Resource, name: str) -> Object:
        """Return an object. Raises :class:`Problem` 404."""
        found = self._informers[kind].get(name)
        if found is None:
            raise Problem(404, f"there is no {kind.kind.lower()} {name}; GET /api/v1/{kind.plural} lists them")
        return found

    def awaited(self, name: str) -> Object | None:
        """Return the Secret with the pairing token of a device that has not used it."""
        return self._pairings.get(pairing_secret(name))

    def devices(self) -> Mapping[str, Object]:
        """Return the Devices, and those that are let in and have not enrolled, as Devices without a key."""
        there = self._informers[DEVICE].objects
        awaited = {
            name: _awaited_device(name, secret)
            for own_name, secret in self._pairings.objects.items()
            if (name := own_name.removeprefix(PAIRING_SECRET_PREFIX)) not in there
        }
        return {**there, **awaited} if awaited else there

    def remember_pairing(self, written: Object) -> None:
        """Take over a new Secret of pairing."""
        self._pairings.remember(written)

    def remember(self, kind: Resource, written: Object) -> None:
        """Take over the answer to a write, so that its caller reads it at once."""
        self._informers[kind].remember(written)

    def device(self, name: str) -> Object:
        """Return a Device, or one that is awaited. Raises :class:`Problem` 404."""
        secret = self.awaited(name)
        if secret is not None and name not in self._informers[DEVICE].objects:
            return _awaited_device(name, secret)
        return self.find(DEVICE, name)

    def served_by(self, gateway: str) -> int:
        """Return the number of devices on record that a gateway served last."""
        return self._by_gateway[gateway]

    def _count(self, old: Object | None, new: Object | None) -> None:
        for device, change in ((old, -1), (new, 1)):
            if device is not None and (gateway := (device.get("status") or {}).get("gateway")):
                self._by_gateway[gateway] += change
                if not self._by_gateway[gateway]:
                    del self._by_gateway[gateway]


def _awaited_device(name: str, secret: Object) -> Object:
    metadata = {"name": name, "resourceVersion": secret["metadata"]["resourceVersion"]}
    return {"metadata": metadata, "spec": {}, "status": {"phase": DevicePhase.PENDING.value}}
