"""Times on the wire and how they are kept: units, intervals, silence. All are milliseconds (``wasmbed.cddl``)."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Generic, TypeVar

from harness.core.history import Event
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import LONGEST_INTERVAL, Ledger, Link, status_of
from harness.wasmbed.resources.durations import DURATION, parse_duration

__all__ = ["TIMING", "Deadlines"]

HOUR = 3600.0
"""Seconds by which a clock may be wrong: a wrong unit is wrong by more."""
LONGEST_RETRY = 600_000
"""Milliseconds after which a device is asked to come back at most."""
ROUNDING = 0.98
EARLY = 0.75
"""The part of a retry-after that a device waits at least: an emulator's clock may run fast."""
SILENCE = 2.5
"""Seconds of silence that convict a virtual board at least; a shorter one may be the machine's."""
EMULATED_SILENCE = 15.0
"""The same for a board in an emulator, or a real one."""
CONNECTED_WITHIN = 5.0
"""Seconds in which a first heartbeat is written at least, however short the interval: a busy machine takes its time."""
STANDS_STILL = 0.5
"""Seconds after which a clock in milliseconds shows another time, whenever the answer is recorded."""
SLOW = 100
"""How many times slower than the record's a device's clock may be: another unit is slower."""
KNOWN_TIME = 1_000_000_000_000
"""A device time from here on is counted since the epoch."""

Key = TypeVar("Key")


class Deadlines(Generic[Key]):
    """Deadlines by key; constant cost for each event."""

    def __init__(self) -> None:
        self._causes: dict[Key, Event] = {}
        self._queue: list[tuple[float, int, Key, Event]] = []
        self._order = itertools.count()

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._causes))

    def set(self, key: Key, cause: Event, seconds: float) -> None:
        """Set or replace the deadline: ``seconds`` after ``cause``."""
        self._causes[key] = cause
        heapq.heappush(self._queue, (cause.at + seconds, next(self._order), key, cause))

    def drop(self, *keys: Key) -> None:
        """Remove deadlines that were met or no longer apply."""
        for key in keys:
            self._causes.pop(key, None)

    def passed(self, now: float) -> Iterator[tuple[Key, Event]]:
        """Each missed deadline, once."""
        return self._missed(now) if self._queue and self._queue[0][0] < now else iter(())

    def _missed(self, now: float) -> Iterator[tuple[Key, Event]]:
        while self._queue and self._queue[0][0] < now:
            _, _, key, cause = heapq.heappop(self._queue)
            if self._causes.get(key) is cause:
                del self._causes[key]
                yield key, cause


class GatewayTime(Invariant):
    """The time in an answer to a heartbeat is the gateway's, in milliseconds since the epoch; it never goes back, and
    does not stand still."""

    name = "gateway time"
    party = Party.GATEWAY
    source = "wasmbed.cddl (heartbeat-acknowledgment)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._last: dict[Link, Event] = {}
        self._asked: dict[Link, Event] = {}
        """The first heartbeat after the last answer. The gateway reads its clock after that, however late it is."""

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None:
            self._asked.setdefault(link, event)
        yield from ()

    @on("HeartbeatAcknowledgment")
    def answered(self, event: Event) -> Iterator[Violation]:
        told, link = event.data.get("gatewayTime"), self.ledger.link(event)
        if not isinstance(told, int) or link is None or self.ledger.clock_was_wrong:
            return
        if abs(told / 1000 - event.at) > HOUR:
            message = f"the gateway told {link.device} the time {told}; in milliseconds it was {event.at * 1000:.0f}"
            yield self.broken(event, message, link=link)
        before, asked = self._last.get(link), self._asked.pop(link, None)
        if before is not None and before.data["gatewayTime"] > told:
            message = f"the gateway's time for {link.device} went back from {before.data['gatewayTime']} to {told}"
            yield self.broken(event, message, cause=before, link=link)
        elif (
            before is not None
            and asked is not None
            and before.data["gatewayTime"] == told
            and asked.data.get("messageId") == event.data.get("messageId")
            and asked.at - before.at > STANDS_STILL
        ):
            message = f"the gateway told {link.device} the time {told} again, {asked.at - before.at:.1f} s later"
            yield self.broken(event, message, cause=before, link=link)
        self._last[link] = event


class DeviceTime(Invariant):
    """A device's time does not go back on a link, goes on in milliseconds, and is in milliseconds where it is counted
    since the epoch."""

    name = "device time"
    party = Party.BOARD
    source = "wasmbed.cddl (heartbeat, field 1)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._first: dict[Link, Event] = {}
        """The heartbeat from which on the pace of a link's device is measured."""
        self._last: dict[Link, Event] = {}

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        told, link = event.data.get("deviceTime"), self.ledger.link(event)
        if not isinstance(told, int) or link is None or not link.known:
            return
        before, first = self._last.get(link), self._first.setdefault(link, event)
        self._last[link] = event
        if before is not None and before.data["deviceTime"] > told:
            message = f"the time of {link.device} went back from {before.data['deviceTime']} to {told}"
            yield self.broken(event, message, cause=before, link=link)
        passed, shown = 1000 * (event.at - first.at), told - first.data["deviceTime"]
        if passed > 1000 * STANDS_STILL and shown * SLOW < passed and not self.ledger.is_disturbed(link.device, first):
            message = f"the time of {link.device} went on by {shown} while {passed:.0f} ms passed"
            yield self.broken(event, message, cause=first, link=link, waited=first)
            self._first[link] = event
        if told / 1000 > event.at + 365 * 24 * HOUR:
            message = f"{link.device} told the time {told}; in milliseconds it was {event.at * 1000:.0f}"
            yield self.broken(event, message, link=link)


class HeartbeatInterval(Invariant):
    """The interval that a gateway gives a device is the one it is set to, in milliseconds, or one in its Gateway's
    spec."""

    name = "heartbeat interval"
    party = Party.GATEWAY
    source = "wasmbed.cddl (enrollment-response, field 3)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._written: defaultdict[str, set[str]] = defaultdict(set)
        """By gateway, the intervals in its spec. The gateway may know of a change sooner or later than the record."""

    @on("POST Gateway", "PATCH Gateway", "PUT Gateway", "state Gateway")
    def written(self, event: Event) -> Iterator[Violation]:
        interval = ((event.data.get("spec") or {}).get("config") or {}).get("heartbeatInterval")
        if isinstance(interval, str) and re.fullmatch(DURATION, interval):
            self._written[str(event.data.get("name"))].add(interval)
        yield from ()

    @on("EnrollmentResponse")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        link, told = self.ledger.link(event), event.data.get("heartbeatInterval")
        up = self.ledger.gateways.get(link.gateway) if link is not None else None
        wanted = up.data.get("heartbeatInterval") if up is not None else None
        if link is not None and any(round(1000 * parse_duration(each)) == told for each in self._written[link.gateway]):
            return
        if link is not None and wanted is not None and told is not None and told != wanted:
            message = f"the gateway told {link.device} to beat every {told} ms; it is set to {wanted} ms"
            yield self.broken(event, message, cause=up, link=link)


class RetryAfter(Invariant):
    """A retry-after is in milliseconds: at least the shortest that the gateway is set to, at most ten minutes."""

    name = "retry after"
    party = Party.GATEWAY
    source = "wasmbed.cddl (error, field 2)"

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        link, told = self.ledger.link(event), event.data.get("retryAfter")
        if link is None or event.source != "Gateway" or not isinstance(told, int):
            return
        up = self.ledger.gateways.get(link.gateway)
        least = ROUNDING * (up.data.get("retryAfter") or 0) if up is not None else 0
        if not least <= told <= LONGEST_RETRY:
            message = f"the gateway told {link.device} to come back after {told} ms; it is {least:.0f} at least"
            yield self.broken(event, message, cause=up, link=link)


class WaitsToRetry(Invariant):
    """A device that received a retry-after does not come back before it is over."""

    name = "devices wait to retry"
    party = Party.BOARD
    source = "wasmbed.cddl (error, field 2: retry after)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._told: dict[str, tuple[Event, Link]] = {}
        self._heard: set[str] = set()
        """Boards whose console shows the latest error."""

    @on("console")
    def printed(self, event: Event) -> Iterator[Violation]:
        """Note whether an error arrived: what is sent before a connection breaks may not. The console shows it."""
        board, text = str(event.data.get("board")), str(event.data.get("text"))
        if board in self._told and "error from gateway: " in text:
            self._heard.add(board)
        elif board in self._told and "link: down" in text and board not in self._heard:
            del self._told[board]
        yield from ()

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or link.said is None:
            return  # what the device sends to a connection that is closed meanwhile destroys what it has not read
        if event.source == "Gateway" and isinstance(event.data.get("retryAfter"), int):
            self._told[link.device] = event, link
            self._heard.discard(link.device)
        yield from ()

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or (told := self._told.get(link.device)) is None:
            return
        error, earlier = told
        if error.at + error.data["retryAfter"] / 1000 < event.at:
            del self._told[link.device]
        elif self._is_same(link, earlier) and not self._is_forgotten(earlier):
            waited, least = event.at - error.at, error.data["retryAfter"] / 1000
            if waited < EARLY * least:
                message = f"{link.device} came back after {waited:.2f} s; the gateway had asked for {least:.2f} s"
                against = "a second board of the same name" if link.certificate is None else ""
                yield self.broken(event, message, cause=error, link=link, against=against)

    def _is_forgotten(self, link: Link) -> bool:
        """Whether the test did something to the device since its link was opened: it may be deaf before the gateway
        sees the end of the link."""
        return self.ledger.is_disturbed(link.device, link.opened)

    @staticmethod
    def _is_same(link: Link, earlier: Link) -> bool:
        """Whether both links are of one board: a twin has another certificate."""
        serials = [(each.certificate or {}).get("serial") for each in (link, earlier)]
        return serials[0] == serials[1] and serials[0] is not None


class BoardsBeat(Invariant):
    """A board with an enrolled link sends heartbeats until the link ends, the test stops it, or its power goes."""

    name = "boards beat"
    party = Party.BOARD
    source = "diagram heartbeat-and-monitoring"

    @on("ConnectionClosed")
    def closed(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or event.source != "Gateway" or link.connected is None or not link.beats:
            return
        interval = self.ledger.interval(link)
        last = link.beats[-1]
        silence = event.at - last.at
        virtual = self.ledger.is_simulated or self.ledger.board_kind.startswith("virtual")
        least = max(3 * interval * ROUNDING, SILENCE if virtual else EMULATED_SILENCE)
        if interval and silence >= least and not self.ledger.is_disturbed(link.device, last):
            message = (
                f"{link.device} sent no heartbeat for {silence:.1f} s although its interval is {interval:g} s, and its"
                f" link was closed ({event.data.get('reason')}); {link.last_said()}"
            )
            against = "" if virtual else "an emulator on a busy machine may be suspended"
            yield self.broken(event, message, cause=last, link=link, against=against, waited=last)


class LiveLinksConnect(Invariant):
    """A device whose enrolled link is up for three heartbeats is Connected."""

    name = "live links are connected"
    party = Party.GATEWAY
    source = "diagrams device-connection and heartbeat-and-monitoring"
    needs = frozenset({"Device Connected"})

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._due = Deadlines[str]()
        self._phases: dict[str, str] = {}

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for device, since in self._due.passed(event.at):
            if self.ledger.is_disturbed(device, since):
                continue
            link = self.ledger.link(since)
            phase = self._phases.get(device)
            if link is None or link.beats or not link.known:
                said = f"; {link.last_said()}" if link is not None and link.said is not None else ""
                message = f"the link of {device} was up for three heartbeats and it is {phase}{said}"
                yield self.broken(since, message, link=link, waited=since)
            else:
                message = f"{device} sent no heartbeat in three intervals after its enrollment; {link.last_said()}"
                yield self.broken(since, message, party=Party.BOARD, link=link, waited=since)

    @on("EnrollmentResponse")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("device") or event.correlation)
        interval = event.data.get("heartbeatInterval")
        is_awaited = not event.data.get("certificate") and self._phases.get(device) != "Connected"
        if is_awaited and isinstance(interval, int | float) and 0 < interval < float("inf"):
            self._due.set(device, event, max(3 * min(interval, LONGEST_INTERVAL) / 1000, CONNECTED_WITHIN))
        yield from ()

    @on("ConnectionClosed", "TlsConnected")
    def changed(self, event: Event) -> Iterator[Violation]:
        self._due.drop(str(event.data.get("device") or event.correlation))
        yield from ()

    @on("fault")
    def disturbed(self, event: Event) -> Iterator[Violation]:
        self._due.drop(str(event.data.get("device") or event.correlation))
        yield from ()

    @on("state Device")
    def written(self, event: Event) -> Iterator[Violation]:
        name, phase = str(event.data["name"]), status_of(event).get("phase")
        if phase:
            self._phases[name] = phase
        if event.data.get("change") == "deleted" or phase == "Connected":
            self._due.drop(name)
        yield from ()


TIMING = (GatewayTime, DeviceTime, HeartbeatInterval, RetryAfter, WaitsToRetry, BoardsBeat, LiveLinksConnect)
