"""Causes before effects, for a cluster that is seen from its clients' side only.

A real API server tells a watch of a change before the one who made it has the answer. What is told of a watch event
therefore waits while a write that may have caused it is unanswered: one to the same object, sent before. The answer
says which version the write made, and an event of that version, or a later one, is told after it. The client itself
never waits. Each event is looked at once, and each write is answered, or given up, within its client's bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.core.order import Order, Place, Put
from harness.wasmbed.resources.api import Object, Resource

__all__ = ["Causality", "Write"]

Key = tuple[Resource, str, str]


@dataclass(eq=False, slots=True)
class _Held:
    """A watch event that is told when nothing can be its cause any more."""

    place: Place
    version: int
    gone: bool
    """Whether it says that the object is no more."""
    ends: bool
    """Whether it says that, or that the object is being deleted."""
    suspects: int = 0


@dataclass(eq=False, slots=True)
class Write:
    """A write that is on its way. ``name`` is empty where the server makes it up."""

    resource: Resource
    namespace: str
    name: str
    deletes: bool
    floor: int
    """The newest version of this type that was known when it was sent: what it makes is newer."""
    held: list[_Held] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.resource, self.namespace, self.name


class Causality:
    """The writes that are on their way, and the events that wait for their answers."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._writes: dict[Key, dict[Write, None]] = {}
        self._newest: dict[Resource, int] = {}

    def sent(self, resource: Resource, namespace: str, name: str, *, deletes: bool = False) -> Write:
        """A write is on its way."""
        write = Write(resource, namespace, name, deletes, self._newest.get(resource, 0))
        self._writes.setdefault(write.key, {})[write] = None
        return write

    def place(self, write: Write, answer: Object | None) -> Put:
        """Where a write that was carried out is told: before its first effect. ``answer`` is the object as the write
        left it, None where the answer does not show it."""
        self._note(write.resource, _version(answer))
        effect = next((held for held in write.held if _caused(write, answer, held)), None)
        return effect.place.put if effect is not None else self._order.put

    def ended(self, write: Write) -> None:
        """What it may have caused waits no more: it was told, refused, or is given up."""
        writes = self._writes[write.key]
        del writes[write]
        if not writes:
            del self._writes[write.key]
        for held in write.held:
            held.suspects -= 1
            if not held.suspects:
                held.place.release()

    def delivered(self, resource: Resource, kind: str, stored: Object) -> None:
        """A watch event has come, and is told next: keep a place free before it if its cause may be on its way."""
        metadata = stored["metadata"]
        version = _version(stored)
        gone = kind == "DELETED"
        ends = gone or "deletionTimestamp" in metadata
        held: _Held | None = None
        for write in self._of(resource, metadata.get("namespace", ""), metadata["name"]):
            if version <= write.floor or (write.deletes and not ends):
                continue
            held = held or _Held(self._order.hold(), version, gone, ends)
            held.suspects += 1
            write.held.append(held)
        self._note(resource, version)

    def _of(self, resource: Resource, namespace: str, name: str) -> Iterator[Write]:
        yield from self._writes.get((resource, namespace, name), ())
        yield from self._writes.get((resource, namespace, ""), ())

    def _note(self, resource: Resource, version: int) -> None:
        if version > self._newest.get(resource, 0):
            self._newest[resource] = version


def _caused(write: Write, answer: Object | None, held: _Held) -> bool:
    if answer is None:  # a deletion
        return held.ends
    metadata = answer["metadata"]
    if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
        return held.gone  # the answer shows the object as it was last, not the version at which it went
    return write.floor < _version(answer) <= held.version


def _version(stored: Object | None) -> int:
    """The object's resourceVersion: a number that grows (KEP-5504); 0 where there is none."""
    version = str(stored["metadata"].get("resourceVersion") or "") if stored is not None else ""
    return int(version) if version.isdecimal() else 0
