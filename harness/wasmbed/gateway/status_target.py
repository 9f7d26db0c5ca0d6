"""The objects whose status a :class:`StatusWriter` writes, as it sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.status_patches import Status, is_in
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import DevicePhase
from harness.wasmbed.resources.statuses import disconnected_status

__all__ = ["PER_DEVICE", "ClusterTarget", "StatusTarget", "UncachedTarget", "intermediate_step", "write_interval"]

PER_DEVICE = 0.0005
"""Seconds that an Application rests after a write, for each device in its status."""


class StatusTarget(Protocol):
    """The port of a status writer to the objects that it writes."""

    def current(self, resource: Resource, name: str) -> Object | None:
        """Return the last known form of an object; None if it has to be read from the API server."""

    def is_overtaken(self, resource: Resource, current: Object, status: Status) -> bool:
        """Whether what another party wrote into ``current`` makes ``status`` wrong, so that it is not written."""

    def was_written(self, resource: Resource, current: Object, sent: Status) -> bool:
        """Whether ``current``, which was changed since, shows that ``sent`` was written, and no answer came."""

    def written(self, resource: Resource, answer: Object) -> None:
        """Take over the API server's answer to a write."""

    def gone(self, resource: Resource, name: str, status: Status) -> None:
        """Learn that ``status`` was not written because the object does not exist."""

    def intermediate_step(self, resource: Resource, phase: str) -> Status | None:
        """Return a status to write first where an object cannot move to ``phase`` directly; None if there is none."""

    def write_interval(self, resource: Resource, answer: Object) -> float:
        """Return the seconds to leave an object alone after the write that ``answer`` answers."""


class UncachedTarget(StatusTarget):
    """Objects that are read from the API server each time, and written as often as there is a patch."""

    def current(self, resource: Resource, name: str) -> Object | None:
        return None

    def is_overtaken(self, resource: Resource, current: Object, status: Status) -> bool:
        return False

    def was_written(self, resource: Resource, current: Object, sent: Status) -> bool:
        return is_in(current.get("status"), sent)

    def written(self, resource: Resource, answer: Object) -> None:
        pass

    def gone(self, resource: Resource, name: str, status: Status) -> None:
        pass

    def intermediate_step(self, resource: Resource, phase: str) -> Status | None:
        return None

    def write_interval(self, resource: Resource, answer: Object) -> float:
        return 0.0


class ClusterTarget(StatusTarget):
    """The Devices and Applications of the gateway ``name``. Devices are read from its ``cache``."""

    def __init__(self, cache: DeviceCache, name: str) -> None:
        self._cache, self._name = cache, name
        self._gone_handlers: list[Callable[[Resource, str, Status], object]] = []

    def on_gone(self, handler: Callable[[Resource, str, Status], object]) -> None:
        """Call ``handler`` with every status that was not written because its object does not exist."""
        self._gone_handlers.append(handler)

    def current(self, resource: Resource, name: str) -> Object | None:
        return self._cache.current(resource, name)

    def is_overtaken(self, resource: Resource, current: Object, status: Status) -> bool:
        """A link that is lost here says nothing about a device that has moved to another gateway, and an enrollment
        that began here gives no other id to one that has enrolled there."""
        recorded = current.get("status") or {}
        if resource != DEVICE:
            return False
        if status.get("phase") == DevicePhase.DISCONNECTED:
            return recorded.get("gateway") not in (None, self._name)
        return "deviceId" in status and recorded.get("deviceId") not in (None, status["deviceId"])

    def was_written(self, resource: Resource, current: Object, sent: Status) -> bool:
        """The controller may have decided an enrollment meanwhile, which it does only for a device in Enrolling."""
        phase = (current.get("status") or {}).get("phase")
        if sent["phase"] == DevicePhase.ENROLLING and phase in (DevicePhase.ENROLLED, DevicePhase.FAILED):
            sent = {name: sent[name] for name in ("gateway", "deviceId")}
        return is_in(current.get("status"), sent)

    def written(self, resource: Resource, answer: Object) -> None:
        self._cache.remember(resource, answer)

    def gone(self, resource: Resource, name: str, status: Status) -> None:
        for handler in self._gone_handlers:
            handler(resource, name, status)

    def intermediate_step(self, resource: Resource, phase: str) -> Status | None:
        return intermediate_step(resource, phase)

    def write_interval(self, resource: Resource, answer: Object) -> float:
        return write_interval(answer)


def intermediate_step(resource: Resource, phase: str) -> Status | None:
    """Return the status that lies between two sessions of a device: Disconnected.

    If a device enrolls or reconnects while it is recorded as connected, Disconnected is written first.
    """
    return disconnected_status() if resource == DEVICE and phase != DevicePhase.DISCONNECTED else None


def write_interval(answer: Object) -> float:
    """Return seconds in proportion to the number of devices in an Application's status.

    The API server sends the whole object to each of its watches at every write. With this interval the writes of an
    Application take the same share of time however many devices it has.
    """
    return PER_DEVICE * len((answer.get("status") or {}).get("deviceStatuses") or ())
