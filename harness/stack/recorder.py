"""What fills a stack's history: taps on the boundaries, and its own eyes on the resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.core.clock import Clock
from harness.core.history import Kind
from harness.core.identifiers import Randomness
from harness.core.redaction import LAST_APPLIED, Redaction
from harness.stack.record import Record
from harness.wasmbed.resources.api import Object, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = ["RECORDER", "Recorder", "changes"]

RECORDER = "Recorder"
"""What the recorder calls itself to the cluster; its own watches are not history."""

_NOISE = {"managedFields", "resourceVersion", "uid", "creationTimestamp", "selfLink"}


class Recorder:
    """Taps, and one informer for each custom resource."""

    def __init__(self, record: Record, redaction: Redaction) -> None:
        self.record = record
        self._redaction = redaction
        self._informers: dict[Resource, Informer] = {}

    def cluster(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """The tap for the cluster."""
        if RECORDER not in (source, target):
            self._message(source, target, name, data, correlation)

    def platform(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """The tap for links and HTTP requests."""
        self._message(source, target, name, data, correlation)

    def _message(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        self.record.record(Kind.MESSAGE, source, target, name, self._redaction.redact(name, data), correlation)

    def failure(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """The tap for what boards report of their own failures."""
        self.record.record(Kind.FAULT, source, target, name, data, correlation)

    def console(self, line: str, about: str, **data: Any) -> None:
        """Record a line that a board wrote."""
        self.record.record(Kind.CONSOLE, "Device", "", "Console", {"text": line, **data}, about)

    def note(self, what: str, about: str = "", **data: Any) -> None:
        """Record what the harness did."""
        self.record.note(what, about, **data)

    def fault(self, what: str, target: str, about: str = "", **data: Any) -> None:
        """Record that the harness made something go wrong at ``target``."""
        self.record.record(Kind.FAULT, "Harness", target, what, data, about)

    async def watch(self, api: ResourceApi, clock: Clock, randomness: Randomness) -> None:
        """Begin to record the changes of the three custom resources; returns when their present state is known."""
        for resource in (DEVICE, APPLICATION, GATEWAY):
            informer = Informer(api, resource, clock, randomness)
            informer.add_handler(self._changed(resource))
            self._informers[resource] = informer
            await informer.start()

    def informer(self, resource: Resource) -> Informer:
        """The live copy of a custom resource."""
        return self._informers[resource]

    async def stop(self) -> None:
        """End the watches; what was seen stays readable."""
        for informer in self._informers.values():
            await informer.stop()

    def _changed(self, resource: Resource) -> Callable[[Object | None, Object | None], None]:
        def changed(old: Object | None, new: Object | None) -> None:
            present = new or old or {}
            name = present["metadata"]["name"]
            change = "added" if old is None else "deleted" if new is None else "modified"
            patch = changes(_essence(old), _essence(new)) if new is not None else {}
            data = {"change": change, "name": name, **patch}
            if len(data) == 2 and change == "modified":
                return
            correlation = "" if resource == GATEWAY else name
            redacted = self._redaction.redact(resource.kind, data)
            self.record.record(Kind.STATE, "Kubernetes", "", resource.kind, redacted, correlation)

        return changed


def _essence(object: Object | None) -> dict[str, Any]:
    if object is None:
        return {}
    metadata = {key: value for key, value in object.get("metadata", {}).items() if key not in _NOISE}
    if LAST_APPLIED in (annotations := metadata.get("annotations") or {}):
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    spec = dict(object.get("spec") or {})
    if isinstance(module := spec.get("wasmBytes"), str) and len(module) > 64:
        spec["wasmBytes"] = f"({len(module)} characters)"
    return {"metadata": metadata, "spec": spec, "status": dict(object.get("status") or {})}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What makes ``new`` of ``old``, as a merge patch (RFC 7386): changed fields only, null for those that went."""
    patch: dict[str, Any] = {}
    for key in dict.fromkeys((*new, *old)):
        if key not in new:
            patch[key] = None
        elif isinstance(old.get(key), Mapping) and isinstance(new[key], Mapping):
            if deeper := changes(old[key], new[key]):
                patch[key] = deeper
        elif key not in old or old[key] != new[key]:
            patch[key] = new[key]
    return patch
