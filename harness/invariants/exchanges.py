"""Message ids: a reply carries its request's, a message that starts an exchange a fresh one (``wasmbed.cddl``)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link

__all__ = ["EXCHANGES", "DeviceReplies", "FreshDeviceIds", "FreshGatewayIds", "GatewayReplies", "NoReplayAccepted"]

SOURCE = "wasmbed.cddl: a reply carries the message-id of its request; a message that starts an exchange a fresh one"
REMEMBERED = 64
"""Ids of heartbeats and runtime errors that a gateway remembers of a session at least."""
MOST = 32_768
"""Requests of one link that are remembered while they have no reply."""
ANSWERS = {
    "EnrollmentResponse": "EnrollmentRequest",
    "HeartbeatAcknowledgment": "Heartbeat",
}
REPLIES = {
    "EnrollmentAcknowledgment": "EnrollmentResponse",
    "DeploymentResult": "Deploy",
    "StopResult": "Stop",
    "DeviceInfo": "DeviceInfoRequest",
    "ChunkAcknowledgment": "ModuleChunk",
}
ASKED = "ApplicationStatusRequest"
STARTS = ("Deploy", "ModuleChunk", "Stop", "DeviceInfoRequest", ASKED)


@dataclass(slots=True)
class _Requests:
    """Requests of one end of a link by message and id: those without an answer, and those with one."""

    waiting: dict[tuple[str, int], Event] = field(default_factory=dict)
    answered: dict[tuple[str, int], Event] = field(default_factory=dict)
    has_forgotten: bool = False
    """Whether more were waiting than are remembered: an unknown id may be one of the others."""

    def ask(self, event: Event, number: int) -> None:
        self.waiting[event.name, number] = event
        self.answered.pop((event.name, number), None)
        if len(self.waiting) > MOST:
            del self.waiting[next(iter(self.waiting))]
            self.has_forgotten = True

    def answer(self, name: str, number: int, reply: Event) -> Event | None:
        """The request that a reply answers."""
        request = self.waiting.pop((name, number), None)
        if request is not None:
            self.answered[name, number] = reply
            if len(self.answered) > MOST:
                del self.answered[next(iter(self.answered))]
        return request

    def ids(self, name: str) -> str:
        """The ids that are waiting, for a verdict."""
        found = [str(number) for kind, number in self.waiting if kind == name]
        return ", ".join(found[-5:]) or "none"


class _OfLinks(Invariant):
    """An invariant with a state for each link whose beginning is in the record."""

    source = SOURCE

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._requests: dict[Link, _Requests] = {}

    def _of(self, event: Event) -> tuple[Link, _Requests, int] | None:
        link, number = self.ledger.link(event), event.data.get("messageId")
        if link is None or not link.known or not isinstance(number, int):
            return None
        return link, self._requests.setdefault(link, _Requests()), number

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._requests.pop(link, None)
        yield from ()


class GatewayReplies(_OfLinks):
    """A gateway answers each enrollment request and each heartbeat at most once, with the request's message id."""

    name = "gateway replies"
    party = Party.GATEWAY
    holds_at_boards = True

    @on(*ANSWERS.values())
    def asked(self, event: Event) -> Iterator[Violation]:
        if found := self._of(event):
            found[1].ask(event, found[2])
        yield from ()

    @on(*ANSWERS)
    def answered(self, event: Event) -> Iterator[Violation]:
        if (found := self._of(event)) is None:
            return
        link, requests, number = found
        name = ANSWERS[event.name]
        before = requests.answered.get((name, number))
        if requests.answer(name, number, event) is None and (before or not requests.has_forgotten):
            how = "was answered already" if before else f"was not asked; waiting for an answer: {requests.ids(name)}"
            message = f"{event.name} to {link.device} carries id {number}, which {how}"
            yield self.broken(event, message, cause=before or link.said, link=link)

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        if event.source == "Gateway" and (found := self._of(event)):
            for name in ANSWERS.values():
                found[1].answer(name, found[2], event)
        yield from ()


class DeviceReplies(_OfLinks):
    """A device answers each request at most once, with the request's message id; of a chunk it acknowledges the
    index."""

    name = "device replies"
    party = Party.BOARD
    holds_at_boards = True

    @on("EnrollmentResponse", *STARTS)
    def asked(self, event: Event) -> Iterator[Violation]:
        if found := self._of(event):
            found[1].ask(event, found[2])
        yield from ()

    @on(*REPLIES)
    def answered(self, event: Event) -> Iterator[Violation]:
        if (found := self._of(event)) is None:
            return
        link, requests, number = found
        name = REPLIES[event.name]
        before = requests.answered.get((name, number))
        request = requests.answer(name, number, event)
        if request is None and before is None and requests.has_forgotten:
            return
        if request is None:
            how = f"was answered by event {before.n}" if before else f"was not asked; waiting: {requests.ids(name)}"
            message = f"{event.name} of {link.device} carries id {number}, but {name} {number} {how}"
            yield self.broken(event, message, cause=before, link=link)
            return
        for key, what in (("applicationId", "application"), ("index", "chunk")):
            asked, said = request.data.get(key), event.data.get(key)
            if key in request.data and key in event.data and asked != said:
                message = f"{event.name} {number} of {link.device} names {what} {said}, {name} {number} {what} {asked}"
                yield self.broken(event, message, cause=request, link=link)


class FreshDeviceIds(_OfLinks):
    """A device gives each heartbeat, runtime error, enrollment request and report that nobody asked for an id that it
    has not used for one before on that link."""

    name = "fresh device ids"
    party = Party.BOARD
    holds_at_boards = True

    @on(ASKED)
    def asked(self, event: Event) -> Iterator[Violation]:
        if found := self._of(event):
            found[1].ask(event, found[2])
        yield from ()

    @on("Heartbeat", "RuntimeFault", "EnrollmentRequest", "ApplicationStatus")
    def started(self, event: Event) -> Iterator[Violation]:
        if (found := self._of(event)) is None or (ASKED, found[2]) in found[1].waiting:
            return
        link, requests, number = found
        before = requests.answered.get(("", number))
        if before is not None:
            message = f"{event.name} of {link.device} carries id {number}, as {before.name} did before"
            yield self.broken(event, message, cause=before, link=link)
        requests.waiting["", number] = event
        requests.answer("", number, event)


class FreshGatewayIds(_OfLinks):
    """A gateway gives each request of a link an id that none of its requests of that link had before."""

    name = "fresh gateway ids"
    party = Party.GATEWAY
    holds_at_boards = True

    @on(*STARTS)
    def started(self, event: Event) -> Iterator[Violation]:
        if (found := self._of(event)) is None:
            return
        link, requests, number = found
        before = requests.answered.get(("", number))
        if before is not None:
            message = f"{event.name} to {link.device} carries id {number}, as {before.name} did before"
            yield self.broken(event, message, cause=before, link=link)
        requests.waiting["", number] = event
        requests.answer("", number, event)


class NoReplayAccepted(_OfLinks):
    """A gateway refuses a heartbeat or runtime error whose id is one of the last that the link's device used, and no
    other as a replay."""

    name = "replays are refused"
    party = Party.GATEWAY
    source = "docs/reference/protocol (REPLAYED_MESSAGE)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._recent: dict[Link, deque[int]] = {}
        self._replayed: dict[tuple[Link, int], Event] = {}
        self._fresh: dict[tuple[Link, int], Event] = {}

    @on("Heartbeat", "RuntimeFault")
    def said(self, event: Event) -> Iterator[Violation]:
        if (found := self._of(event)) is None:
            return
        link, _, number = found
        recent = self._recent.setdefault(link, deque(maxlen=REMEMBERED))
        if number in recent:
            self._replayed[link, number] = event
            self._fresh.pop((link, number), None)
        else:
            recent.append(number)
            self._replayed.pop((link, number), None)
            self._fresh = {(link, number): event}
        yield from ()

    @on("HeartbeatAcknowledgment")
    def accepted(self, event: Event) -> Iterator[Violation]:
        if (found := self._of(event)) and (replayed := self._replayed.pop((found[0], found[2]), None)) is not None:
            message = f"the gateway answered heartbeat {found[2]} of {found[0].device}, which was received before"
            yield self.broken(event, message, cause=replayed, link=found[0])

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        if event.source != "Gateway" or (found := self._of(event)) is None:
            return
        link, _, number = found
        self._replayed.pop((link, number), None)
        fresh = self._fresh.pop((link, number), None)
        if fresh is not None and event.data.get("code") == "REPLAYED_MESSAGE":
            message = f"the gateway refused {fresh.name} {number} of {link.device} as a replay, and it was the first"
            yield self.broken(event, message, cause=fresh, link=link)


EXCHANGES = (GatewayReplies, DeviceReplies, FreshDeviceIds, FreshGatewayIds, NoReplayAccepted)
