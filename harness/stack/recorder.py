"""Fills a stack's history: taps on the boundaries, and informers on the custom resources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from harness.clusters.mapping import ResourceMapping
from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.history import Kind
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.network import Endpoint
from harness.core.order import Order, Place
from harness.core.redaction import LAST_APPLIED, Redaction
from harness.invariants.cbor import mask_secrets
from harness.stack.record import Record
from harness.stack.system import not_in_system
from harness.wasmbed.controllers.manager import OWN_CLIENT
from harness.wasmbed.resources.api import ApiError, Object, Resource, ResourceApi
from harness.wasmbed.resources.extent import EXTENT_NOTE, WHOLE, Extent
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = ["RECORDER", "Recorder", "changes"]

log = get_log(__name__)

CATCH_UP = 5.0
"""Seconds that a stack waits at its end for the watch events of the latest writes."""
RECORDER = "Recorder"
"""The recorder's name at the cluster. Its own watches are not recorded."""

_SECRET_FRAMES = frozenset({"EnrollmentRequest", "Deploy", "UnreadableFrame"})
"""Messages whose bytes may hold a secret."""
_NOISE = {"managedFields", "resourceVersion", "uid", "creationTimestamp", "selfLink"}


class Recorder:
    """Taps, and an informer for each custom resource. Events that a tap learns late keep their place in the order."""

    def __init__(
        self,
        record: Record,
        redaction: Redaction,
        mapping: ResourceMapping | None = None,
        extent: Extent = WHOLE,
    ) -> None:
        """``mapping``: of a system whose custom resources are its own. ``extent``: what it has of the documents'."""
        self.record = record
        record.extent = extent
        self._order = Order()
        self._redaction = redaction
        self.cluster = _ClusterTap(self._order, record, redaction, mapping or ResourceMapping())
        """The tap for the cluster."""
        self._informers: dict[Resource, Informer] = {}
        self.by_hand: set[str] = set()
        """The addresses of the devices that a test drives."""

    def platform(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """The tap for links and HTTP requests."""
        redacted = self._redaction.redact(name, data)
        if name in _SECRET_FRAMES and "frame" in data:
            redacted = {**redacted, "frame": mask_secrets(data["frame"], data["frameSize"])}
        self._put(Kind.MESSAGE, source, target, name, redacted, correlation)

    def is_by_hand(self, address: Endpoint | None) -> bool:
        """Whether a test drives the device at an address."""
        return address is not None and f"{address[0]}:{address[1]}" in self.by_hand

    def reserve(self) -> Reserved:
        """Reserve the next place for a message that is known later."""
        return Reserved(self._order.hold(), self.record, self._redaction)

    def gateway_line(self, line: str, gateway: str) -> None:
        """Record a line of a gateway's log."""
        self._put(Kind.CONSOLE, "Gateway", "", "Console", {"text": line, "gateway": gateway}, "")

    def controllers_line(self, line: str, controllers: str) -> None:
        """Record a line of the log of a program of controllers."""
        self._put(Kind.CONSOLE, OWN_CLIENT, "", "Console", {"text": line, "controllers": controllers}, "")

    def failure(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """The tap for failures that boards report."""
        self._put(Kind.FAULT, source, target, name, data, correlation)

    def console(self, line: str, about: str, **data: Any) -> None:
        """Record a console line of a board."""
        self._put(Kind.CONSOLE, "Device", "", "Console", {"text": line, **data}, about)

    def note(self, what: str, about: str = "", **data: Any) -> None:
        """Record an action of the harness. A token that ``data`` holds is replaced by its mark."""
        redacted = self._redaction.redact("token", data)
        self._order.put(lambda: self.record.note(what, about, **redacted))

    def fault(self, what: str, target: str, about: str = "", **data: Any) -> None:
        """Record a fault that the harness caused at ``target``."""
        self._put(Kind.FAULT, "Harness", target, what, data, about)

    def _put(self, kind: Kind, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        self._order.put(lambda: self.record.record(kind, source, target, name, data, correlation))

    async def recorded(self) -> None:
        """Wait until everything that the taps have seen so far is in the record."""
        await self._order.reached()

    async def watch(self, api: ResourceApi, clock: Clock, randomness: Randomness) -> None:
        """Start to record changes of the custom resources; returns once their present state is known."""
        self._clock = clock
        extent = self.record.extent
        if extent:
            self.note(EXTENT_NOTE, lacks=sorted(extent.lacks))
        for resource in (DEVICE, GATEWAY, *((APPLICATION,) if extent.has(APPLICATION.kind) else ())):
            informer = Informer(api, resource, clock, randomness, turn=self._order.reached)
            informer.add_handler(self._handler(informer))
            self._informers[resource] = informer
            await informer.start()

    def informer(self, resource: Resource) -> Informer:
        """The live copy of a custom resource. Raises UsageError if the system does not have such resources."""
        if resource not in self._informers:
            raise not_in_system(f"{resource.kind} resources", "applications")
        return self._informers[resource]

    async def stop(self) -> None:
        """Record the latest writes, end the watches, and record waiting events. The informers stay readable."""
        if self._informers:
            await self._catch_up()
        for informer in self._informers.values():
            await informer.stop()
        self._order.give_up()

    async def _catch_up(self) -> None:
        """Wait for the watch events of the latest writes, which may come after the end of a test."""
        try:
            async with self._clock.deadline(CATCH_UP):
                arrivals = (informer.catch_up(CATCH_UP) for informer in self._informers.values())
                for failed in filter(None, await asyncio.gather(*arrivals, return_exceptions=True)):
                    raise failed
        except (ApiError, OSError) as error:
            log.info("the record may lack the latest changes: %s", reason(error))

    def _handler(self, informer: Informer) -> Callable[[Object | None, Object | None], None]:
        resource = informer.resource

        def record_change(old: Object | None, new: Object | None) -> None:
            object = new or old or {}
            name = object["metadata"]["name"]
            change = "added" if old is None else "deleted" if new is None else "modified"
            patch = changes(_recorded_part(old), _recorded_part(new)) if new is not None else {}
            data = {"change": change, "name": name, **patch}
            if len(data) == 2 and change == "modified":
                return
            if informer.relists:
                data["relisted"] = True
            correlation = "" if resource == GATEWAY else name
            redacted = self._redaction.redact(resource.kind, data)
            self._put(Kind.STATE, "Kubernetes", "", resource.kind, redacted, correlation)

        return record_change


class Reserved:
    """A place in the record for one message. The caller must release it."""

    def __init__(self, place: Place, record: Record, redaction: Redaction) -> None:
        self._place, self._record, self._redaction = place, record, redaction

    def record(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """Record the message there."""
        redacted = self._redaction.redact(name, data)
        self._place.put(lambda: self._record.record(Kind.MESSAGE, source, target, name, redacted, correlation))

    def release(self) -> None:
        """Let the events behind it be recorded."""
        self._place.release()


class _ClusterTap:
    """Records requests and watch events, except those of the recorder itself."""

    def __init__(self, order: Order, record: Record, redaction: Redaction, mapping: ResourceMapping) -> None:
        self.order, self._record, self._redaction, self._mapping = order, record, redaction, mapping
        self.groups = mapping.groups

    def __call__(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        if RECORDER not in (source, target):
            if self._mapping:
                name, data, correlation = self._mapping.recorded(name, data, correlation)
            redacted = self._redaction.redact(name, data)
            self._record.record(Kind.MESSAGE, source, target, name, redacted, correlation)


def _recorded_part(object: Object | None) -> dict[str, Any]:
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
    """The difference from ``old`` to ``new`` as a merge patch (RFC 7386): changed fields, and null for removed ones."""
    patch: dict[str, Any] = {}
    for key in dict.fromkeys((*new, *old)):
        if key not in new:
            patch[key] = None
        elif key not in old or old[key] != new[key]:
            both = isinstance(old.get(key), Mapping) and isinstance(new[key], Mapping)
            patch[key] = changes(old[key], new[key]) if both else new[key]
    return patch
