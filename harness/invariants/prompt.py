"""Answers in virtual time, in which nothing takes time but what is meant to: an end that lets the other wait is late.

On a real clock lateness may be the machine's, and no bound would be sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.core.history import Event
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of
from harness.invariants.timing import Deadlines

__all__ = ["PROMPT"]

AT_ONCE = 1.0
"""Virtual seconds in which an answer comes."""
SOURCE = "docs/simulation (virtual time); the sequence diagrams"
FAULT = re.compile(r"\] app (\S+): fault ")
"""A console line about a fault of an application."""
_HELLO = "its first message"

Key = tuple[Link, str, object]
"""A link, what is awaited on it, and a message id where there may be several."""


class _Prompt(Invariant):
    """An invariant about what has to come at once on an undisturbed link."""

    source = SOURCE

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._due = Deadlines[Key]()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for (link, what, _), since in self._due.passed(event.at):
            if link.closed is not None or not self._counts(link):
                continue
            message = f"{self._who(link)} is late with {what}: {event.at - since.at:.1f} s after {since.name}"
            yield self.broken(since, message, link=link)

    def _await(self, event: Event, what: str, number: object = None) -> None:
        link = self.ledger.link(event)
        if link is not None and link.known and self.ledger.is_simulated:
            self._due.set((link, what, number), event, AT_ONCE)

    def _came(self, event: Event, what: str, number: object = None) -> None:
        if (link := self.ledger.link(event)) is not None:
            self._due.drop((link, what, number))

    def _counts(self, link: Link) -> bool:
        return not self.ledger.is_disturbed(link.device, link.opened) and not self.ledger.is_by_hand(link)

    def _who(self, link: Link) -> str:
        return link.device if self.party is Party.BOARD else f"the gateway of {link.device}"


class BoardsArePrompt(_Prompt):
    """In virtual time a board answers at once: it speaks first after the handshake, beats as soon as it is enrolled,
    answers its enrollment, chunks, and questions, and reports a fault that is on its console."""

    name = "boards are prompt"
    party = Party.BOARD

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        self._await(event, _HELLO)
        yield from ()

    @on("EnrollmentRequest")
    def greeted(self, event: Event) -> Iterator[Violation]:
        self._came(event, _HELLO)
        yield from ()

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        self._came(event, _HELLO)
        self._came(event, "Heartbeat")
        yield from ()

    @on("EnrollmentResponse", "DeviceInfoRequest", "ModuleChunk", "ApplicationStatusRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        self._await(event, _ANSWERS[event.name], event.data.get("messageId"))
        yield from ()

    @on("EnrollmentAcknowledgment")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        self._came(event, event.name, event.data.get("messageId"))
        self._await(event, "Heartbeat")
        yield from ()

    @on("console")
    def printed(self, event: Event) -> Iterator[Violation]:
        fault, link = FAULT.search(str(event.data.get("text"))), self.ledger.connected_link(event.correlation)
        if fault is not None and link is not None and self.ledger.is_simulated:
            self._due.set((link, "RuntimeFault", fault[1]), event, AT_ONCE)
        yield from ()

    @on("RuntimeFault")
    def reported(self, event: Event) -> Iterator[Violation]:
        self._came(event, event.name, event.correlation)
        yield from ()

    @on("DeviceInfo", "ChunkAcknowledgment", "ApplicationStatus")
    def answered(self, event: Event) -> Iterator[Violation]:
        self._came(event, event.name, event.data.get("messageId"))
        yield from ()

    @on("Deploy", "Stop", "DeploymentResult", "Error")
    def cancelled(self, event: Event) -> Iterator[Violation]:
        """Chunks of a transfer that was cancelled or failed are ignored."""
        link = self.ledger.link(event)
        self._due.drop(*(key for key in self._due if key[0] is link and key[1] == "ChunkAcknowledgment"))
        yield from ()


class GatewaysArePrompt(_Prompt):
    """In virtual time a gateway answers at once while the API server does: each heartbeat, an enrollment request that
    it refuses, and an order for a device that is not busy; it sends a module as soon as it has announced it."""

    name = "gateways are prompt"
    party = Party.GATEWAY

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._busy: dict[Link, Event] = {}
        """The latest order that a device has not answered."""

    @on("Heartbeat")
    def beat(self, event: Event) -> Iterator[Violation]:
        self._await(event, "HeartbeatAcknowledgment", event.data.get("messageId"))
        yield from ()

    @on("EnrollmentRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        self._await(event, "Error")
        yield from ()

    @on("POST Device", "PATCH Device")
    def registered(self, event: Event) -> Iterator[Violation]:
        """A request that is not refused is written."""
        if event.source == "Gateway":
            links = self.ledger.open_links(str(event.data.get("name")))
            self._due.drop(*((link, "Error", None) for link in links))
        yield from ()

    @on("HeartbeatAcknowledgment", "EnrollmentResponse", "Error")
    def answered(self, event: Event) -> Iterator[Violation]:
        self._came(event, "HeartbeatAcknowledgment", event.data.get("messageId"))
        self._came(event, "Error")
        yield from ()

    @on("DeployApplication")
    def ordered(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.connected_link(str(event.data.get("device")))
        if link is None or link in self._busy or not link.beats or not self.ledger.is_simulated:
            return
        has = event.correlation in (link.beats[-1].data.get("applications") or {})
        if not has:  # what it has is not sent again
            self._due.set((link, "Deploy", None), event, AT_ONCE)
        yield from ()

    @on("PATCH Application")
    def written(self, event: Event) -> Iterator[Violation]:
        """A module that cannot run on a device is not sent there."""
        entries = status_of(event).get("deviceStatuses") if event.source == "Gateway" else None
        for device, entry in entries.items() if isinstance(entries, Mapping) else ():
            if isinstance(entry, Mapping) and entry.get("state") in ("failed", "error", "stopped"):
                self._drop_order(device)
        yield from ()

    @on("StopApplication", "RequestRefused")
    def withdrawn(self, event: Event) -> Iterator[Violation]:
        self._drop_order(str(event.data.get("device")))
        yield from ()

    @on("Deploy", "Stop")
    def begun(self, event: Event) -> Iterator[Violation]:
        self._came(event, "Deploy")
        link = self.ledger.link(event)
        if link is not None:
            self._busy[link] = event
        if event.name == "Deploy":
            self._await(event, "ModuleChunk")
        else:
            self._came(event, "ModuleChunk")
        yield from ()

    @on("ModuleChunk")
    def sent(self, event: Event) -> Iterator[Violation]:
        self._came(event, "ModuleChunk")
        yield from ()

    @on("DeploymentResult", "StopResult", "ConnectionClosed")
    def done(self, event: Event) -> Iterator[Violation]:
        self._came(event, "ModuleChunk")
        link = self.ledger.link(event)
        if link is not None:
            self._busy.pop(link, None)
        yield from ()

    def _drop_order(self, device: str) -> None:
        self._due.drop(*((link, "Deploy", None) for link in self.ledger.open_links(device)))

    def _counts(self, link: Link) -> bool:
        trouble = self.ledger.api_trouble
        return super()._counts(link) and (trouble is None or trouble.n < link.opened.n)


_ANSWERS = {
    "EnrollmentResponse": "EnrollmentAcknowledgment",
    "DeviceInfoRequest": "DeviceInfo",
    "ModuleChunk": "ChunkAcknowledgment",
    "ApplicationStatusRequest": "ApplicationStatus",
}
"""The answer of a board to each message, with the same id."""

PROMPT = (BoardsArePrompt, GatewaysArePrompt)
