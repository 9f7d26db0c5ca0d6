"""Effects: what a gateway has acknowledged shows in the state of the cluster afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from harness.core.history import Event
from harness.invariants.gateways import moment_of
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of

__all__ = ["EFFECTS", "AnsweredHeartbeatsAreWritten"]

WITHIN = 10.0
"""Seconds that a gateway has at least; the API server may be slow."""
INTERVALS = 4
"""Status intervals that it has at least."""
FURTHER = 3
"""Heartbeats that it has to answer meanwhile: it is at work."""
SLACK = 1.0
"""Seconds by which two readings of a clock may differ."""


@dataclass(slots=True)
class _Waiting:
    """The first answered heartbeat of a session that no write shows yet, and the number of those after it."""

    link: Link
    answer: Event
    further: int = 0


class AnsweredHeartbeatsAreWritten(Invariant):
    """A heartbeat that a gateway has answered, or a later one, is in the Device's status soon, while the session goes
    on and the cluster answers."""

    name = "answered heartbeats are written"
    party = Party.GATEWAY
    source = "docs/architecture (status writes); the schema of the Device (lastHeartbeat)"
    needs: ClassVar[frozenset[str]] = frozenset({"Device status.lastHeartbeat"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._waiting: dict[str, _Waiting] = {}

    @on("PATCH Device")
    def written(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data.get("name"))
        waiting = self._waiting.get(name)
        if event.source != "Gateway" or waiting is None or event.data.get("code") != 200:
            return
        if status.get("phase") not in (None, "Connected"):
            del self._waiting[name]
        elif status.get("lastHeartbeat"):
            shown = moment_of(status["lastHeartbeat"], event.at)
            if shown >= waiting.answer.at - SLACK or self.ledger.clock_was_wrong:
                del self._waiting[name]
        yield from ()

    @on("ConnectionClosed", "Error")
    def ended(self, event: Event) -> Iterator[Violation]:
        self._waiting.pop(str(event.data.get("device")), None)
        yield from ()

    @on("state Device")
    def deleted(self, event: Event) -> Iterator[Violation]:
        if event.data.get("change") in ("added", "deleted"):
            self._waiting.pop(str(event.data["name"]), None)
        yield from ()

    @on("HeartbeatAcknowledgment")
    def answered(self, event: Event) -> Iterator[Violation]:
        link, device = self.ledger.link(event), str(event.data.get("device"))
        if link is None or not link.known or link.connected is None or not self.ledger.is_of_this_run(link):
            return
        waiting = self._waiting.get(device)
        if waiting is None or waiting.link is not link or self._is_excused(waiting, event):
            self._waiting[device] = _Waiting(link, event)
            return
        waiting.further += 1
        up = self.ledger.gateways.get(link.gateway)
        interval = up.data.get("statusInterval") if up is not None else None
        late = event.at - waiting.answer.at
        if interval and waiting.further >= FURTHER and late >= max(WITHIN, INTERVALS * interval / 1000):
            message = f"a heartbeat of {device} was answered {late:.1f} s ago, and no write of its Device shows it"
            yield self.broken(
                event, f"{message}, or one of the {waiting.further} since", cause=waiting.answer, link=link
            )
            self._waiting[device] = _Waiting(link, event)

    def _is_excused(self, waiting: _Waiting, event: Event) -> bool:
        trouble = self.ledger.api_trouble
        return (
            self.ledger.is_api_disturbed
            or self.ledger.clock_was_wrong
            or (trouble is not None and trouble.n > waiting.answer.n)
            or self.ledger.stood_still(waiting.answer.at, event.at)
        )


EFFECTS = (AnsweredHeartbeatsAreWritten,)
