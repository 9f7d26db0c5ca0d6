"""Reduces a diagram for a system that lacks some of the documents' kinds, phases, or fields.

A write of a phase that the system does not have may still happen without the phase, any number of times. A controller
that would write one has nothing to wait for: what it hears then has no place in the order, and if it writes nothing
else it is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.sequences.bindings import EventType
from harness.sequences.labels import Comparison, Condition, Label
from harness.wasmbed.resources.extent import Extent

__all__ = ["Reduction"]

_PHASE = ("status", "phase")
_CLUSTER, _GATEWAY = "Kubernetes", "Gateway"


@dataclass(frozen=True, slots=True)
class Reduction:
    """Applied to one arrow after the other. ``idle`` are the participants that the diagram no longer judges, ``deaf``
    those whose watch events it does not judge."""

    extent: Extent
    idle: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()

    def of_arrows(self, arrows: Iterable[tuple[EventType, Label]]) -> Reduction:
        """With the participants of a whole diagram."""
        arrows = list(arrows)
        lost = {event.source for event, label in arrows if event.target == _CLUSTER and self._loses(event, label)}
        acts = {event.source for event, label in arrows if not self._loses(event, label)}
        deaf = lost - {_GATEWAY}
        return replace(self, idle=frozenset(deaf - acts), deaf=frozenset(deaf))

    def reduced(self, event: EventType, label: Label) -> tuple[Label | None, bool]:
        """The label that an arrow has now, None if the arrow is gone; and whether it may come any number of times."""
        if {event.source, event.target} & self.idle or (event.source == _CLUSTER and event.target in self.deaf):
            return None, False
        if not self._loses(event, label):
            return Label(label.name, tuple(self._conditions(event, label))), False
        if event.source == _CLUSTER or not self.extent.has(_kind(event)):
            return None, False
        return Label(label.name, (Condition(_PHASE, Comparison.ABSENT),)), True

    def _loses(self, event: EventType, label: Label) -> bool:
        """Whether an arrow is about a kind, or writes a phase, that the system does not have."""
        kind = _kind(event)
        return not self.extent.has(kind) or any(
            condition.path == _PHASE and condition.test is Comparison.EQUAL and not self._phases(kind, condition)
            for condition in label.conditions
        )

    def _phases(self, kind: str, condition: Condition) -> tuple[str | float | bool | None, ...]:
        return tuple(phase for phase in condition.values if self.extent.has(f"{kind} {phase}"))

    def _conditions(self, event: EventType, label: Label) -> Iterable[Condition]:
        kind = _kind(event)
        for condition in label.conditions:
            if condition.path == _PHASE and condition.test is Comparison.EQUAL:
                yield replace(condition, values=self._phases(kind, condition))
            elif condition.test is Comparison.ABSENT or self.extent.has(f"{kind} {'.'.join(condition.path)}"):
                yield condition


def _kind(event: EventType) -> str:
    """The kind of a request or a watch event; of other events their name."""
    return event.name.rpartition(" ")[2]
