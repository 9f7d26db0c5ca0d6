"""Compares the record with what heartbeats say again and again: the session itself, and the states of applications."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link

__all__ = ["RECORDS"]

BEATS = 4
"""Answered heartbeats in a row that say what the record does not."""
WITHIN = 5.0
"""Seconds for which they have to go on: shorter heartbeats do not make a gateway or an API server faster."""
_STATES = frozenset({"deployed", "running", "error"})


class _Repeated(Invariant):
    """Counts how often the heartbeats of a session contradict the record while the platform is well."""

    party = Party.GATEWAY

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._seen: dict[tuple[str, ...], tuple[Link, Any, Event, int]] = {}
        """By device, or device and application: the session, what was said, the first time, and how often."""

    def _again(self, key: tuple[str, ...], link: Link, said: Any, event: Event, within: float = WITHIN) -> Event | None:
        """Count one more; returns the first one when they are enough, and have gone on for ``within`` seconds."""
        before, what, first, count = self._seen.get(key, (link, said, event, 0))
        if before is not link or what != said or not self._is_calm(first):
            first, count = event, 0
        is_enough = count + 1 >= BEATS and event.at - first.at >= within
        self._seen[key] = link, said, first, -sys.maxsize if is_enough else count + 1
        return first if is_enough else None

    def _is_calm(self, since: Event) -> bool:
        ledger = self.ledger
        excuses = ledger.api_trouble, ledger.disturbed.get("")
        is_well = all(each is None or each.n < since.n for each in excuses) and not ledger.is_api_disturbed
        return is_well and not ledger.stood_still(since.at, ledger.now)


class LiveSessionsAreOnRecord(_Repeated):
    """A device whose heartbeats a gateway goes on to answer is not Disconnected on record, unless that gateway is
    Offline there, too."""

    name = "live sessions are on record"
    source = "docs/architecture (sessions are compared with the record)"
    needs: ClassVar[frozenset[str]] = frozenset({"Device Connected", "Device Disconnected"})

    @on("HeartbeatAcknowledgment")
    def answered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known:
            return
        key = (link.device,)
        status = self.ledger.object("Device", link.device).get("status") or {}
        gateway = self.ledger.object("Gateway", link.gateway).get("status") or {}
        if status.get("phase") != "Disconnected" or gateway.get("phase") == "Offline":
            self._seen.pop(key, None)
            return
        interval = gateway.get("lastSeenIntervalMilliseconds") or 0  # so often a gateway compares them
        if (first := self._again(key, link, "", event, WITHIN + interval / 1000)) is not None:
            message = f"{link.device} is Disconnected on record while {BEATS} of its heartbeats were answered"
            yield self.broken(event, message, cause=first, link=link, waited=first)


class ReportedStatesAreWritten(_Repeated):
    """A gateway writes the state of an application that heartbeats name again and again, unless its deployment failed,
    or an order is under way."""

    name = "reported states are written"
    source = "docs/architecture (status writes); wasmbed.cddl (heartbeat, applications)"
    needs: ClassVar[frozenset[str]] = frozenset({"Application"})

    @on("DeployApplication", "StopApplication", "Deploy", "Stop", "PATCH Application")
    def changed(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device") or "")
        entries = (event.data.get("status") or {}).get("deviceStatuses") or {}
        for name in (device,) if device else tuple(entries):
            self._seen.pop((name, event.correlation), None)
        yield from ()

    @on("HeartbeatAcknowledgment")
    def answered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or not link.known or not link.beats:
            return
        reported = link.beats[-1].data.get("applications")
        for application, state in reported.items() if isinstance(reported, Mapping) else ():
            status = self.ledger.object("Application", application).get("status")
            entry = ((status or {}).get("deviceStatuses") or {}).get(link.device) or {}
            written = entry.get("state")
            if status is None or state not in _STATES or written in (state, "failed", None):
                self._seen.pop((link.device, application), None)
            elif (first := self._again((link.device, application), link, state, event)) is not None:
                message = f"{BEATS} heartbeats of {link.device} say that {application} is {state}; on record it is"
                yield self.broken(event, f"{message} {written}", cause=first, link=link, waited=first)


RECORDS = (LiveSessionsAreOnRecord, ReportedStatesAreWritten)
