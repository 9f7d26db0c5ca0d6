"""Assignments: a device that one gateway assigns to another one goes there, and the one that it left lets it go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.core.history import Event
from harness.invariants.consoles import AT_ONCE
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link, status_of

__all__ = ["ASSIGNMENTS"]

TRIES = "] link: connecting to "
"""In the console line of a board that says where it connects, and then why it could not."""
GAVE_UP = ("] link: no connection: ", "] link: not served there")
LEEWAY = 5.0
"""Seconds within which the end of an earlier link is written, if nothing hinders it."""
BEAT_WITHIN = 1.0
"""Seconds between the two writes of a gateway's beat: its own status, and that of devices that came nowhere."""


@dataclass(frozen=True, slots=True)
class _Assignment:
    """``response`` assigned the device of ``link`` to another gateway."""

    link: Link
    response: Event

    @property
    def home(self) -> str:
        return str(self.response.data.get("gatewayName"))


class _Followed(Invariant):
    """Finds the devices that leave the gateway which assigned them to another one."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._given: dict[str, _Assignment] = {}
        self._followed: dict[str, _Assignment] = {}
        """By device, the assignment that it followed, since it ended that link."""

    @on("EnrollmentResponse")
    def assigned(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None:
            self._given.pop(link.device, None)
            self._followed.pop(link.device, None)
            is_another = event.data.get("reassigned") is True and event.data.get("gatewayName") != link.gateway
            if is_another and link.gateway and not self.ledger.is_by_hand(link):
                self._given[link.device] = _Assignment(link, event)
        yield from ()

    @on("ConnectionClosed")
    def closed(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        given = self._given.get(link.device) if link is not None else None
        if link is None or given is None:
            return
        if link is given.link:
            del self._given[link.device]
            has_left = link.said is not None and link.said.name == "EnrollmentAcknowledgment"
            if has_left and event.source == "Device":
                self._followed[link.device] = given
        yield from ()


class AssignedDevicesGo(_Followed):
    """A device that follows an assignment connects to that gateway, until it cannot, or is not served there."""

    name = "assigned devices go there"
    party = Party.BOARD
    source = "wasmbed.cddl (enrollment-response)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._reports: set[str] = set()
        """The devices whose consoles say where they connect."""

    @on("console")
    def said(self, event: Event) -> Iterator[Violation]:
        text = str(event.data.get("text"))
        if TRIES in text:
            self._reports.add(event.correlation)
        elif any(line in text for line in GAVE_UP):
            self._followed.pop(event.correlation, None)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        followed = self._followed.get(link.device) if link is not None else None
        if link is not None and followed is not None and link is not followed.link and not link.acknowledged:
            del self._followed[link.device]  # it was not served there
        yield from ()

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        followed = self._followed.get(link.device) if link is not None else None
        if link is None or followed is None or link.gateway == followed.home:
            return
        del self._followed[link.device]
        boot = self.ledger.boots.get(link.device)
        is_excused = (
            link.device not in self._reports
            or not self.ledger.board_kind.startswith(AT_ONCE)
            or followed.home not in self.ledger.gateways
            or self.ledger.is_disturbed(link.device, followed.link.opened)
            or (boot is not None and boot.n > followed.response.n)
            or self.ledger.stood_still(followed.response.at, event.at)
        )
        if not is_excused:
            message = f"{link.device} was assigned to {followed.home}, and connected to {link.gateway} without a reason"
            yield self.broken(event, message, cause=followed.response, link=link)


class SentAwayIsLetGo(_Followed):
    """A gateway that assigned a device to another one does not write it as Disconnected when it leaves; if it comes
    nowhere, the next beat does."""

    name = "sent away is let go"
    party = Party.GATEWAY
    source = "wasmbed.cddl (enrollment-response); docs/reference/resources (Device)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._written: dict[str, tuple[_Assignment, Event]] = {}
        """By device, the write that no beat explains yet."""

    @on("TlsConnected")
    def connected(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._followed.pop(link.device, None)
        yield from ()

    @on("PATCH Gateway")
    def beat(self, event: Event) -> Iterator[Violation]:
        name = event.data.get("name")
        self._followed = {each: it for each, it in self._followed.items() if it.link.gateway != name}
        self._written = {each: it for each, it in self._written.items() if it[0].link.gateway != name}
        yield from ()

    @on("PATCH Device")
    def wrote(self, event: Event) -> Iterator[Violation]:
        device = str(event.data.get("name"))
        followed = self._followed.get(device)
        if event.source != "Gateway" or followed is None or status_of(event).get("phase") != "Disconnected":
            return
        if not self.ledger.is_disturbed(device, followed.link.opened) and not self._had_another(followed.link):
            self._written[device] = followed, event
        yield from ()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for device, (followed, write) in list(self._written.items()):
            if event.at > write.at + BEAT_WITHIN:
                del self._written[device]
                message = f"{device} was assigned to {followed.home} and left, and was written as Disconnected"
                yield self.broken(write, message, cause=followed.response, link=followed.link)

    def _had_another(self, link: Link) -> bool:
        """Whether the device had another link meanwhile, whose end may be being written."""
        others = (each for each in self.ledger.links.values() if each.device == link.device and each is not link)
        return any(each.closed is None or each.closed.at >= link.opened.at - LEEWAY for each in others)


ASSIGNMENTS = (AssignedDevicesGo, SentAwayIsLetGo)
