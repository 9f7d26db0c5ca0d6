"""Answers in virtual time, in which nothing takes time but what is meant to: an end that lets the other wait is late.

On a real clock lateness may be the machine's, and no bound would be sound.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from harness.core.history import Event, Kind
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import REBOOTS, Ledger, Link, status_of

__all__ = ["PROMPT"]

AT_ONCE = 1.0
"""Virtual seconds in which an answer comes."""
SOURCE = "docs/simulation (virtual time); the sequence diagrams"
FAULT = re.compile(r"\] app (\S+): fault ")
"""A console line about a fault of an application."""
_HELLO = "its first message"
_ANSWERS = {
    "EnrollmentResponse": "EnrollmentAcknowledgment",
    "DeviceInfoRequest": "DeviceInfo",
    "ModuleChunk": "ChunkAcknowledgment",
    "ApplicationStatusRequest": "ApplicationStatus",
}
"""The answer of a board to each message, with the same id."""

Awaited = tuple[str, object]
"""The message that is awaited on a link, and its id where there may be several."""


class _Prompt(Invariant):
    """An invariant about what has to come at once on an undisturbed link."""

    source = SOURCE

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._due: defaultdict[Link, dict[Awaited, Event]] = defaultdict(dict)
        """By link, the events since which something is awaited."""

    @on("ConnectionClosed")
    def closed(self, event: Event) -> Iterator[Violation]:
        if self._due and (link := self.ledger.link(event)) is not None:
            for (what, _), since in self._due.pop(link, {}).items():
                yield from self._judge(link, what, since, event.at)

    def finish(self, last: Event) -> Iterator[Violation]:
        for link, awaited in self._due.items():
            for (what, _), since in awaited.items():
                yield from self._judge(link, what, since, last.at)

    def _await(self, event: Event, what: str, number: object = None, link: Link | None = None) -> None:
        if self.ledger.is_simulated:
            link = link or self.ledger.link(event)
            if link is not None and link.known:
                self._due[link][what, number] = event

    def _came(self, event: Event, what: str, number: object = None) -> Iterator[Violation]:
        if self._due and (link := self.ledger.link(event)) is not None:
            since = self._due.get(link, {}).pop((what, number), None)
            if since is not None:
                yield from self._judge(link, what, since, event.at)

    def _judge(self, link: Link, what: str, since: Event, now: float) -> Iterator[Violation]:
        if now - since.at > AT_ONCE and self._counts(link):
            message = f"{self._who(link)} is late with {what}: {now - since.at:.1f} s after {since.name}"
            yield self.broken(since, message, link=link)

    def _counts(self, link: Link) -> bool:
        return not self.ledger.is_disturbed(link.device, link.opened) and not self.ledger.is_by_hand(link)

    def _who(self, link: Link) -> str:
        return link.device if self.party is Party.BOARD else f"the gateway of {link.device}"


class BoardsArePrompt(_Prompt):
    """In virtual time a board answers at once: it speaks first after the handshake, beats as soon as it is enrolled,
    answers its enrollment, chunks, and questions, and reports a fault that is on its console, also one of the time
    before its session."""

    name = "boards are prompt"
    party = Party.BOARD

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._untold: defaultdict[str, dict[str, Event]] = defaultdict(dict)
        """By device and application, the faults of a time in which the board knew that it had no session."""
        self._is_down: set[str] = set()
        """The boards whose console says so."""

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        self._await(event, _HELLO)
        yield from ()

    @on("EnrollmentRequest")
    def greeted(self, event: Event) -> Iterator[Violation]:
        yield from self._came(event, _HELLO)

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        if self._due:
            yield from self._came(event, _HELLO)
            yield from self._came(event, "Heartbeat")

    @on(*_ANSWERS)
    def asked(self, event: Event) -> Iterator[Violation]:
        self._await(event, _ANSWERS[event.name], event.data.get("messageId"))
        yield from ()

    @on("EnrollmentAcknowledgment")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        yield from self._came(event, event.name, event.data.get("messageId"))
        self._await(event, "Heartbeat")

    @on("console")
    def printed(self, event: Event) -> Iterator[Violation]:
        text = str(event.data.get("text"))
        if self.ledger.is_simulated and "] link: " in text:
            if "link: next attempt" in text:
                self._is_down.add(event.correlation)
            elif "link: up" in text:
                self._is_down.discard(event.correlation)
        elif self.ledger.is_simulated and (fault := FAULT.search(text)) is not None:
            link = self.ledger.connected_link(event.correlation)
            if link is not None:
                self._await(event, "RuntimeFault", fault[1], link)
            elif event.correlation in self._is_down:
                self._untold[event.correlation][fault[1]] = event
        yield from ()

    @on("HeartbeatAcknowledgment")
    def accepted(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and link.connected is event:
            for application in self._untold.pop(link.device, {}):
                self._await(event, "RuntimeFault", application, link)
        yield from ()

    @on("fault", "note power on")
    def forgot(self, event: Event) -> Iterator[Violation]:
        """A board without power loses what it has not told."""
        if event.kind is not Kind.FAULT or event.name in REBOOTS:
            self._untold.pop(event.correlation, None)
        yield from ()

    @on("RuntimeFault")
    def reported(self, event: Event) -> Iterator[Violation]:
        self._untold.get(str(event.data.get("device")), {}).pop(event.correlation, None)
        yield from self._came(event, event.name, event.correlation)

    @on("DeviceInfo", "ChunkAcknowledgment", "ApplicationStatus")
    def answered(self, event: Event) -> Iterator[Violation]:
        yield from self._came(event, event.name, event.data.get("messageId"))

    @on("Deploy", "Stop", "DeploymentResult", "Error")
    def cancelled(self, event: Event) -> Iterator[Violation]:
        """Chunks of a transfer that was cancelled or failed are ignored, and a stopped application is forgotten."""
        if self._due and (link := self.ledger.link(event)) is not None:
            awaited = self._due.get(link, {})
            if event.name in ("Deploy", "Stop"):
                awaited.pop(("RuntimeFault", event.correlation), None)
            for key in [each for each in awaited if each[0] == "ChunkAcknowledgment"]:
                del awaited[key]
        yield from ()


class GatewaysArePrompt(_Prompt):
    """In virtual time a gateway answers at once while the API server does: each heartbeat, an enrollment request that
    it refuses, and an order for a device that is not busy; it sends a module as soon as it has announced it."""

    name = "gateways are prompt"
    party = Party.GATEWAY

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._busy: defaultdict[Link, set[object]] = defaultdict(set)
        """By link, the message ids of the orders that the device has not answered."""
        self._enrolling: defaultdict[str, set[Link]] = defaultdict(set)
        """By gateway, the links with an enrollment under way: they are bounded, and a request waits for its turn."""
        self._new: defaultdict[Link, set[str]] = defaultdict(set)
        """By link, the applications that the device took since its last heartbeat, which lists them."""

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        if self._new and (link := self.ledger.link(event)) is not None:
            self._new.pop(link, None)
        self._await(event, "HeartbeatAcknowledgment", event.data.get("messageId"))
        yield from ()

    @on("EnrollmentRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and self.ledger.is_simulated:
            others = self._enrolling[link.gateway]
            if not others:
                self._await(event, "Error")
            others.add(link)
        yield from ()

    @on("POST Device", "PATCH Device")
    def registered(self, event: Event) -> Iterator[Violation]:
        """A request that is not refused is written."""
        if event.source == "Gateway":
            self._drop(str(event.data.get("name")), "Error")
        yield from ()

    @on("HeartbeatAcknowledgment", "EnrollmentResponse", "Error")
    def answered(self, event: Event) -> Iterator[Violation]:
        if event.name != "HeartbeatAcknowledgment":
            self._has_enrolled(event)
        if self._due:
            yield from self._came(event, "HeartbeatAcknowledgment", event.data.get("messageId"))
            yield from self._came(event, "Error")

    @on("DeployApplication")
    def ordered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.connected_link(str(event.data.get("device"))) if self.ledger.is_simulated else None
        if link is not None and not self._busy.get(link) and link.beats:
            has = event.correlation in (link.beats[-1].data.get("applications") or {})
            if not has and event.correlation not in self._new.get(link, ()):  # what it has is not sent again
                self._await(event, "Deploy", link=link)
        yield from ()

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        """A module that cannot run on a device is not sent there."""
        entries = status_of(event).get("deviceStatuses") if self._due and event.source == "Gateway" else None
        for device, entry in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(entry, Mapping) and entry.get("state") in ("failed", "error", "stopped"):
                self._drop(device, "Deploy")
        yield from ()

    @on("StopApplication", "RequestRefused")
    def withdrawn(self, event: Event) -> Iterator[Violation]:
        self._drop(str(event.data.get("device")), "Deploy")
        yield from ()

    @on("Deploy", "Stop")
    def begun(self, event: Event) -> Iterator[Violation]:
        yield from self._came(event, "Deploy")
        link = self.ledger.link(event)
        if link is not None and self.ledger.is_simulated:
            self._busy[link].add(event.data.get("messageId"))
        if event.name == "Deploy":
            self._await(event, "ModuleChunk")
        else:
            yield from self._came(event, "ModuleChunk")

    @on("ModuleChunk")
    def sent(self, event: Event) -> Iterator[Violation]:
        yield from self._came(event, "ModuleChunk")

    @on("DeploymentResult", "StopResult")
    def done(self, event: Event) -> Iterator[Violation]:
        if self._busy and (link := self.ledger.link(event)) is not None:
            self._busy[link].discard(event.data.get("messageId"))
            if event.name == "StopResult":
                self._new[link].discard(event.correlation)
            elif event.data.get("ok"):
                self._new[link].add(event.correlation)
        yield from self._came(event, "ModuleChunk")

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        if self._busy and (link := self.ledger.link(event)) is not None:
            self._busy.pop(link, None)
            self._new.pop(link, None)
        self._has_enrolled(event)
        yield from ()

    def _has_enrolled(self, event: Event) -> None:
        if self._enrolling and (link := self.ledger.link(event)) is not None:
            self._enrolling[link.gateway].discard(link)

    def _drop(self, device: str, what: str) -> None:
        if self._due:
            for link in self.ledger.open_links(device):
                self._due.get(link, {}).pop((what, None), None)

    def _counts(self, link: Link) -> bool:
        trouble = self.ledger.api_trouble
        is_sound = not self.ledger.is_api_disturbed and (trouble is None or trouble.n < link.opened.n)
        return is_sound and super()._counts(link)


PROMPT = (BoardsArePrompt, GatewaysArePrompt)
