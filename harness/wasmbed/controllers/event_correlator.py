"""Fewer Events than things that happen, by the rules and figures of client-go's EventCorrelator.

A repetition is counted in the Event that exists. Many similar ones are combined into one Event, and the Events of one
object are limited in rate, so a crash loop costs the API server a bounded number of writes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256

from harness.wasmbed.resources.api import Object

__all__ = ["BURST", "MESSAGE", "OBJECTS", "REFILL", "SIMILAR", "WINDOW", "EventCorrelator", "EventRecord", "Happening"]

WINDOW = 600.0
"""Seconds after the last repetition in which a further one is counted in the same Event."""
SIMILAR = 10
"""Events of one object that differ only in their message; further ones are combined."""
BURST = 25
"""Writes of Events that one object may cause at once."""
REFILL = 300.0
"""Seconds after which an object may cause one write more."""
OBJECTS = 4096
"""Objects that are remembered; the one that was silent longest is forgotten first."""
_AS_NEW = max(WINDOW, BURST * REFILL)
"""Seconds of silence after which nothing is left to remember of an object."""
MESSAGE = 1024
"""Characters of a message, the limit of ``events.k8s.io/v1``."""
_COMBINED = "(combined from similar events): "


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an object: ``reason`` is a word for programs, ``message`` a sentence for people.

    ``related`` is a reference to a second object that took part.
    """

    reason: str
    message: str
    warning: bool = False
    related: Object | None = None


@dataclass(slots=True)
class EventRecord:
    """One Event, as it is to be written: ``name`` is its own, ``about`` the reference to the object."""

    name: str
    about: Object
    happening: Happening
    first: float
    last: float
    count: int = 0
    written: bool = False


@dataclass(slots=True)
class _Budget:
    """The remembered Events of one object, and the writes that it may still cause."""

    at: float
    left: float = BURST
    records: dict[tuple[str, bool, str], EventRecord] = field(default_factory=dict)


class EventCorrelator:
    """``component`` and ``instance`` name the writer: two writers never choose the same name for an Event."""

    def __init__(self, component: str, instance: str) -> None:
        self._writer = f"{component}/{instance}"
        self._objects: OrderedDict[tuple[str, str], _Budget] = OrderedDict()
        self._records: dict[str, EventRecord] = {}
        self.dropped = 0
        """Happenings that are in no Event since their object used up its writes."""

    def get(self, name: str) -> EventRecord | None:
        """Return the Event of this name, unless it has been forgotten."""
        return self._records.get(name)

    def add(self, about: Object, happening: Happening, now: float) -> EventRecord | None:
        """Return the Event in which this is counted, to be written now; None if the object used up its writes."""
        budget = self._budget((about["kind"], about["uid"]), now)
        if budget.left < 1:
            self.dropped += 1
            return None
        budget.left -= 1
        message = happening.message[:MESSAGE]
        key = (happening.reason, happening.warning, message)
        if key not in budget.records and sum(known[:2] == key[:2] for known in budget.records) >= SIMILAR:
            key, message = (*key[:2], _COMBINED), f"{_COMBINED}{message}"[:MESSAGE]
        record = budget.records.get(key)
        happening = Happening(happening.reason, message, happening.warning, happening.related)
        if record is None:
            record = budget.records[key] = EventRecord(self._name(about, key, now), about, happening, now, now)
            self._records[record.name] = record
        record.happening, record.last = happening, now
        record.count += 1
        return record

    def _budget(self, key: tuple[str, str], now: float) -> _Budget:
        budget = self._objects.setdefault(key, _Budget(now))
        self._objects.move_to_end(key)
        budget.left, budget.at = min(BURST, budget.left + (now - budget.at) / REFILL), now
        while len(self._objects) > OBJECTS or next(iter(self._objects.values())).at < now - _AS_NEW:
            _, forgotten = self._objects.popitem(last=False)
            self._forget(forgotten, list(forgotten.records))
        self._forget(budget, [known for known, record in budget.records.items() if now - record.last > WINDOW])
        return budget

    def _forget(self, budget: _Budget, keys: list[tuple[str, bool, str]]) -> None:
        for key in keys:
            del self._records[budget.records.pop(key).name]

    def _name(self, about: Object, key: tuple[str, bool, str], now: float) -> str:
        told = sha256(repr((self._writer, about["kind"], about["uid"], key, now)).encode()).hexdigest()[:16]
        return f"{about['name'][:230].rstrip('-.')}.{told}"
