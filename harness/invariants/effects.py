"""Effects: what a gateway has acknowledged shows in the state of the cluster afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.core.history import Event
from harness.invariants.gateways import moment_of
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of
from harness.invariants.pacing import said_by

__all__ = ["EFFECTS", "AnsweredHeartbeatsAreWritten"]

WITHIN = 10.0
"""Seconds that a gateway has at least; the API server may be slow."""
INTERVALS = 4
"""Intervals of its writes that it has at least."""
FURTHER = 3
"""Heartbeats that it has to answer meanwhile: it is at work."""
SLACK = 1.0
"""Seconds by which two readings of a clock may differ."""


_SETTINGS = {False: "heartbeatWriteInterval", True: "statusInterval"}
"""The interval of writes, by whether a heartbeat says something new."""


@dataclass(slots=True)
class _Waiting:
    """The first answered heartbeat of a session that no write shows yet, and the number of those after it."""

    link: Link
    answer: Event
    shows: float
    """When the heartbeat was answered that has to be shown, or a later one: an outage postpones its write only."""
    further: int = 0


class AnsweredHeartbeatsAreWritten(Invariant):
    """A heartbeat that a gateway has answered, or a later one, is in the Device's status within some of its intervals,
    the sooner if it says something new, while the session goes on and the cluster answers."""

    name = "answered heartbeats are written"
    party = Party.GATEWAY
    source = "docs/architecture (status writes); the schema of the Device (lastHeartbeat)"
    needs: ClassVar[frozenset[str]] = frozenset({"Device status.lastHeartbeat"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._waiting: dict[bool, dict[str, _Waiting]] = {False: {}, True: {}}
        """By whether the heartbeat says something new, and by device."""
        self._said: dict[str, tuple[Any, ...]] = {}
        """By device, what the latest heartbeat of its session said."""
        self._news: set[str] = set()
        """The devices whose latest heartbeat said something new, and is not answered yet."""

    @on("Heartbeat")
    def heard(self, event: Event) -> Iterator[Violation]:
        device, said = str(event.data.get("device")), said_by(event)
        if self._said.setdefault(device, said) != said:
            self._said[device] = said
            self._news.add(device)
        yield from ()

    @on("PATCH Device")
    def written(self, event: Event) -> Iterator[Violation]:
        status, name = status_of(event), str(event.data.get("name"))
        if event.source != "Gateway" or event.data.get("code") != 200:
            return
        if status.get("phase") not in (None, "Connected"):
            self._forget(name)
        elif status.get("lastHeartbeat"):
            shown = moment_of(status["lastHeartbeat"], event.at)
            for waiting in self._waiting.values():
                if name in waiting and (shown >= waiting[name].shows - SLACK or self.ledger.clock_was_wrong):
                    del waiting[name]
        yield from ()

    @on("ConnectionClosed", "Error")
    def ended(self, event: Event) -> Iterator[Violation]:
        self._forget(str(event.data.get("device")))
        yield from ()

    @on("state Device")
    def deleted(self, event: Event) -> Iterator[Violation]:
        if event.data.get("change") in ("added", "deleted"):
            self._forget(str(event.data["name"]))
        yield from ()

    @on("HeartbeatAcknowledgment")
    def answered(self, event: Event) -> Iterator[Violation]:
        link, device = self.ledger.link(event), str(event.data.get("device"))
        is_new = device in self._news
        self._news.discard(device)
        if link is None or not link.known or link.connected is None or not self.ledger.is_of_this_run(link):
            return
        up = self.ledger.gateways.get(link.gateway)
        for of_news, found in self._waiting.items():
            waiting = found.get(device)
            if waiting is not None and waiting.link is not link:
                del found[device]
                waiting = None
            if waiting is None or self._is_excused(waiting, event):
                if waiting is not None or is_new or not of_news:
                    found[device] = _Waiting(link, event, event.at if waiting is None or is_new else waiting.shows)
                continue
            waiting.further += 1
            interval = up.data.get(_SETTINGS[of_news]) if up is not None else None
            late = event.at - waiting.answer.at
            if interval and waiting.further >= FURTHER and late >= max(WITHIN, INTERVALS * interval / 1000):
                message = f"a heartbeat of {device} was answered {late:.1f} s ago, and no write of its Device shows it"
                message += f", or one of the {waiting.further} since"
                yield self.broken(event, message, cause=waiting.answer, link=link)
                found[device] = _Waiting(link, event, waiting.shows)

    def _forget(self, device: str) -> None:
        """Its session ends."""
        for waiting in self._waiting.values():
            waiting.pop(device, None)
        self._said.pop(device, None)
        self._news.discard(device)

    def _is_excused(self, waiting: _Waiting, event: Event) -> bool:
        trouble = self.ledger.api_trouble
        return (
            self.ledger.is_api_disturbed
            or self.ledger.clock_was_wrong
            or (trouble is not None and trouble.n > waiting.answer.n)
            or self.ledger.stood_still(waiting.answer.at, event.at)
        )


EFFECTS = (AnsweredHeartbeatsAreWritten,)
