"""Records causes before effects for a cluster that is observed only through clients.

A real API server may deliver a watch event before the client that made the change gets its answer. The record of a
watch event therefore waits while a write to the same object that was sent earlier is unanswered. The answer names the
version that the write created; events of that version or later are recorded after it. The client itself never waits.
Each event is looked at once, and each write is answered or abandoned within its client's time limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.core.order import Order, Place, Put
from harness.wasmbed.resources.api import Object, Resource

__all__ = ["Causality", "Write"]

Kind = tuple[str, str]
"""A group and a plural: the kind of a type is not known from every request, and one object has several versions."""
Key = tuple[Kind, str, str]


@dataclass(eq=False, slots=True)
class _Held:
    """A watch event that is recorded once no pending write can have caused it."""

    place: Place
    version: int
    gone: bool
    """The object was deleted."""
    ends: bool
    """The object was deleted, or is being deleted."""
    suspects: int = 0


@dataclass(eq=False, slots=True)
class Write:
    """A pending write; ``name`` is empty if the server generates it."""

    kind: Kind
    namespace: str
    name: str
    deletes: bool
    floor: int
    """The newest version of this type that was known when it was sent; the write creates a newer one."""
    held: list[_Held] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.kind, self.namespace, self.name


class Causality:
    """The pending writes, and the events that wait for their answers."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._writes: dict[Key, dict[Write, None]] = {}
        self._newest: dict[Kind, int] = {}

    def sent(self, resource: Resource, namespace: str, name: str, *, deletes: bool = False) -> Write:
        """Note a pending write."""
        kind = _kind(resource)
        write = Write(kind, namespace, name, deletes, self._newest.get(kind, 0))
        self._writes.setdefault(write.key, {})[write] = None
        return write

    def place(self, write: Write, answer: Object | None) -> Put:
        """Return where to record a completed write: before its first effect.

        ``answer`` is the object as the write left it; None if the answer does not contain it.
        """
        self._note(write.kind, _version(answer))
        effect = next((held for held in write.held if _caused(write, answer, held)), None)
        return effect.place.put if effect is not None else self._order.put

    def ended(self, write: Write) -> None:
        """Release the events that waited for ``write``."""
        writes = self._writes[write.key]
        del writes[write]
        if not writes:
            del self._writes[write.key]
        for held in write.held:
            held.suspects -= 1
            if not held.suspects:
                held.place.release()

    def delivered(self, resource: Resource, change: str, stored: Object) -> None:
        """Record a watch event; reserve a place before it for a pending write that may have caused it."""
        metadata = stored["metadata"]
        version = _version(stored)
        kind, gone = _kind(resource), change == "DELETED"
        ends = gone or "deletionTimestamp" in metadata
        held: _Held | None = None
        for write in self._of(kind, metadata.get("namespace", ""), metadata["name"]):
            if version <= write.floor or (write.deletes and not ends):
                continue
            held = held or _Held(self._order.hold(), version, gone, ends)
            held.suspects += 1
            write.held.append(held)
        self._note(kind, version)

    def _of(self, kind: Kind, namespace: str, name: str) -> Iterator[Write]:
        yield from self._writes.get((kind, namespace, name), ())
        yield from self._writes.get((kind, namespace, ""), ())

    def _note(self, kind: Kind, version: int) -> None:
        if version > self._newest.get(kind, 0):
            self._newest[kind] = version


def _kind(resource: Resource) -> Kind:
    return resource.group, resource.plural


def _caused(write: Write, answer: Object | None, held: _Held) -> bool:
    if answer is None:  # a deletion
        return held.ends
    metadata = answer["metadata"]
    if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
        return held.gone  # the answer shows the object's last state, not the version of its deletion
    return write.floor < _version(answer) <= held.version


def _version(stored: Object | None) -> int:
    """Return the object's resourceVersion: a number that grows (KEP-5504); 0 if absent."""
    version = str(stored["metadata"].get("resourceVersion") or "") if stored is not None else ""
    return int(version) if version.isdecimal() else 0
