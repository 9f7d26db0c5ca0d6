"""The applications that a device's change concerns, found without looking at every application."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.views import Application, Device

__all__ = ["TargetIndex", "application_key", "device_key"]


def device_key(raw: Object | None) -> object:
    """Return the part of a device that matters to applications; other changes, like heartbeats, concern none."""
    if raw is None:
        return None
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    return (
        *(metadata.get(name) for name in ("uid", "deletionTimestamp", "labels")),
        *(spec.get(name) for name in ("capabilities", "largestModule")),
        *(status.get(name) for name in ("phase", "gateway", "enrollments", "connectedSince")),
    )


def application_key(raw: Object) -> object:
    """Return the part of an application that its controller reacts to at once: without metrics and its own writes."""
    metadata, entries = raw["metadata"], (raw.get("status") or {}).get("deviceStatuses") or {}
    states = {
        name: (entry.get("state"), entry.get("generation"), entry.get("code"), entry.get("error"))
        for name, entry in entries.items()
    }
    return metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp"), states


class TargetIndex:
    """Applications by the devices in their spec or status; applications with a selector are kept separately."""

    def __init__(self) -> None:
        self._named: defaultdict[str, set[str]] = defaultdict(set)
        self._names: dict[str, frozenset[str]] = {}
        self._selecting: dict[str, Application] = {}

    def update(self, name: str, raw: Object | None) -> None:
        """Take over the present form of the application ``name``; None if it was deleted."""
        names: frozenset[str] = frozenset()
        self._selecting.pop(name, None)
        if raw is not None:
            application = Application(raw)
            wanted = application.spec.target_devices
            names = frozenset((*wanted.device_names, *application.status.device_statuses))
            if not wanted.device_names:
                self._selecting[name] = application
        before = self._names.pop(name, frozenset())
        for device in before - names:
            self._named[device].discard(name)
            if not self._named[device]:
                del self._named[device]
        for device in names - before:
            self._named[device].add(name)
        if names:
            self._names[name] = names

    def concerned(self, *devices: Object | None) -> Iterable[str]:
        """Return the applications that any of these forms of a device concerns."""
        found: set[str] = set()
        for raw in devices:
            if raw is not None:
                device = Device(raw)
                found |= self._named.get(device.name, set())
                found.update(
                    name
                    for name, application in self._selecting.items()
                    if application.spec.target_devices.matches(device)
                )
        return found
