"""The ids of devices: the recorded one, or a new one that stays the same until the device has enrolled with it."""

from __future__ import annotations

from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.cache import DeviceCache

__all__ = ["DeviceIds"]

_PROVISIONAL_IDS = 1024
"""The number of ids kept for devices that have not enrolled; the oldest are dropped first."""


class DeviceIds:
    """Gives out ids, so that a device which pairs and then enrolls gets the same one in both answers."""

    def __init__(self, cache: DeviceCache, randomness: Randomness) -> None:
        self._cache, self._randomness = cache, randomness
        self._provisional: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the id of the device ``name``, a UUID."""
        device = self._cache.get(name)
        if device is not None and device.status.device_id:
            return device.status.device_id
        if name not in self._provisional and len(self._provisional) >= _PROVISIONAL_IDS:
            del self._provisional[next(iter(self._provisional))]
        return self._provisional.setdefault(name, self._randomness.uuid())

    def settle(self, name: str) -> None:
        """Forget the provisional id: the device enrolled, so its id is on record."""
        self._provisional.pop(name, None)
