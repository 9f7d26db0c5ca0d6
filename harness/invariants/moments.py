"""The times that writes put into a status: each is that of its write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on, party_of
from harness.invariants.ledger import Ledger, status_of
from harness.wasmbed.resources.timestamps import parse_timestamp

__all__ = ["MOMENTS"]

LEEWAY = 5.0
"""Seconds by which clocks of two machines, and the record, may differ."""
COARSE, FINE = 1.0, 0.05
"""Seconds after which a time is another one, written in whole seconds or with a fraction."""
OK = 200
_FIELDS: Mapping[str, str] = {"Device": "enrolledAt", "Application": "lastUpdate", "Gateway": "lastSeen"}


class TimesAreOfTheWrite(Invariant):
    """The time that a write puts into a status (enrolledAt, lastUpdate, lastSeen) is that of the write: it is not to
    come, does not go back, and is not the one before."""

    name = "times are of the write"
    party = Party.PRODUCT
    source = "the schemas of the custom resources (descriptions of these fields)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._told: dict[tuple[str, str], tuple[str, float, Event]] = {}

    @on(*(f"PATCH {kind}" for kind in _FIELDS))
    def written(self, event: Event) -> Iterator[Violation]:
        kind, name = event.name.partition(" ")[2], str(event.data.get("name"))
        field, party = _FIELDS[kind], party_of(event.source)
        told = status_of(event).get(field)
        if event.data.get("code") != OK or not isinstance(told, str) or party in (Party.CALLER, Party.RIG):
            return
        if self.ledger.clock_was_wrong:
            return
        try:
            moment = parse_timestamp(told)
        except ValueError:
            return  # the API server's to refuse
        before = self._told.get((kind, name))
        self._told[kind, name] = told, moment, event
        what = f"{field} of {kind} {name}"
        if moment > event.at + LEEWAY:
            yield self.broken(event, f"{what} is {told}, which is to come", party=party)
        elif before is None:
            return
        elif moment < before[1] - LEEWAY:
            yield self.broken(event, f"{what} went back from {before[0]} to {told}", party=party, cause=before[2])
        elif told == before[0] and event.at - before[2].at > (FINE if "." in told else COARSE):
            yield self.broken(event, f"{what} was written again as {told}", party=party, cause=before[2])

    @on(*(f"state {kind}" for kind in _FIELDS))
    def changed(self, event: Event) -> Iterator[Violation]:
        if event.data.get("change") == "deleted":
            self._told.pop((event.name, str(event.data["name"])), None)
        yield from ()


MOMENTS = (TimesAreOfTheWrite,)
