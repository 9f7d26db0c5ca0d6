"""The part of the documents' resource types, phases, and fields that a system has: judges and waits ask for no more.

A phase that a system does not have is passed without being written: the moves over it are one move.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.history import Event, Kind
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.phases import MOVES

__all__ = ["EXTENT_NOTE", "WHOLE", "Extent", "extent_of"]

EXTENT_NOTE = "system"
"""The note of a history whose system lacks something; ``lacks`` has the names."""
_EACH = "*"


@dataclass(frozen=True, slots=True)
class Extent:
    """``lacks`` has the absent kinds (``Application``), phases (``Device Enrolling``), and fields (``Device
    status.health``; ``*`` stands for each member of a map, or each item of a list)."""

    lacks: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is lacking."""
        return bool(self.lacks)

    def has(self, name: str) -> bool:
        """Whether the system has a kind, a phase, or a field, each named as in ``lacks``."""
        kind, _, rest = name.partition(" ")
        if not self.lacks:
            return True
        return not {kind, name} & self.lacks and not any(_holds(absent, rest) for absent in self.fields(kind))

    def fields(self, kind: str) -> list[str]:
        """The absent fields of a kind, by path."""
        return [rest for rest in self._of(kind) if "." in rest]

    def phases(self, kind: str) -> frozenset[str]:
        """The absent phases of a kind."""
        return frozenset(rest for rest in self._of(kind) if "." not in rest)

    def _of(self, kind: str) -> Iterable[str]:
        return (name.removeprefix(f"{kind} ") for name in self.lacks if name.startswith(f"{kind} "))

    def is_legal(self, resource: Resource, source: str | None, target: str) -> bool:
        """As of :func:`harness.wasmbed.resources.phases.is_legal`, in one step over phases that the system lacks."""
        moves, absent = MOVES[resource], self.phases(resource.kind)
        start = source or next(iter(moves))
        if target not in moves or target in absent:
            return False
        if start == target:
            return True
        seen, ahead = set(moves.get(start, ())), deque(moves.get(start, ()))
        while ahead:
            here = ahead.popleft()
            if here == target:
                return True
            if here in absent:
                ahead.extend(moves[here] - seen)
                seen |= moves[here]
        return False


WHOLE = Extent()
"""Everything that the documents have."""


def extent_of(events: Iterable[Event]) -> Extent:
    """The extent of a history's system, by its note; everything without one."""
    for event in events:
        if event.kind is Kind.NOTE and event.name == EXTENT_NOTE:
            return Extent(frozenset(map(str, event.data.get("lacks") or ())))
    return WHOLE


def _holds(absent: str, path: str) -> bool:
    """Whether a field is at an absent path, or inside of it."""
    one, other = absent.split("."), path.split(".")
    return len(one) <= len(other) and all(step in (_EACH, at) for step, at in zip(one, other, strict=False))
