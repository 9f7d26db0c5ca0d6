"""Silence: the party that ends a link on which nothing is heard, and whether it had to end it.

A gateway that records its own links names its reason, and how many intervals it waited. The order of such ends tells
whether it measures the silence of each device, whatever the machine's speed.
"""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link

__all__ = ["SILENCE", "BoardsStay", "SilenceIsMeasured"]

ROUNDING = 0.98
SLACK = 0.1
"""Seconds by which two readings of a clock may differ."""
CROSSING = 2.0
"""Seconds for an answer to reach a board at most."""
UNDONE = frozenset({"power on", "restore link", "resume"})
"""The latest thing done to a board that ends no link."""
SOON = 1.5
"""Intervals after an answer: a board that waits for three of them is not there yet."""
PATIENCE = 3
"""Unanswered heartbeats after which a board may give its link up."""
_MISSED = re.compile(r"(\d{1,4}) heartbeats missed")
"""The reason of a gateway that gives a device up."""


class SilenceIsMeasured(Invariant):
    """A gateway that gives a device up has heard nothing from it for as many intervals as it says, and from no other
    device, whose session goes on, nothing for longer."""

    name = "silence is measured"
    party = Party.GATEWAY
    source = "diagram connection-lost (missed heartbeats)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._heard: defaultdict[str, OrderedDict[Link, tuple[Event, Event]]] = defaultdict(OrderedDict)
        """By gateway, its sessions in the order in which they were heard last: what was said, and its answer.

        The gateway read its clock between the two, which are as far apart as the machine was slow."""

    @on("EnrollmentResponse", "HeartbeatAcknowledgment")
    def heard(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and link.known and not event.data.get("certificate"):
            sessions = self._heard[link.gateway]
            is_beat = event.name == "HeartbeatAcknowledgment" and link.beats
            sessions[link] = link.beats[-1] if is_beat else event, event
            sessions.move_to_end(link)
        yield from ()

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        """An error may end the session."""
        if event.source == "Gateway" and (link := self.ledger.link(event)) is not None:
            self._heard[link.gateway].pop(link, None)
        yield from ()

    @on("note gateway up", "note gateway down")
    def restarted(self, event: Event) -> Iterator[Violation]:
        self._heard.pop(str(event.data.get("gateway")), None)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is None:
            return
        sessions = self._heard[link.gateway]
        heard, said = sessions.pop(link, None), _MISSED.match(str(event.data.get("reason")))
        if event.source != "Gateway" or heard is None or said is None:
            return
        last, _ = heard
        silence, least = event.at - last.at, int(said[1]) * self.ledger.interval(link)
        if silence < ROUNDING * least - SLACK:
            message = f"the gateway gave {link.device} up ({said[0]}) after {silence:.2f} s; they take {least:.2f} s"
            yield self.broken(event, message, cause=last, link=link)
        other, (_, earlier) = next(iter(sessions.items()), (None, (None, None)))
        # A machine that was late with this one may be as late with the other.
        late = SLACK + max(silence - least, 0.0)
        if other is not None and earlier is not None and earlier.at < last.at - late:
            message = (
                f"the gateway gave {link.device} up after {silence:.2f} s of silence, and not {other.device}, of which"
                f" it has heard nothing for {event.at - earlier.at:.2f} s"
            )
            yield self.broken(event, message, cause=earlier, link=other)


class BoardsStay(Invariant):
    """A virtual board does not end its link at the next heartbeat after one that was answered, unless it was sent an
    error, or the test did something to it."""

    name = "boards stay"
    party = Party.BOARD
    source = "docs/reference/protocol (heartbeats)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._answers: dict[Link, deque[Event]] = {}
        """By link, the latest answers to heartbeats."""

    @on("HeartbeatAcknowledgment")
    def answered(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._answers.setdefault(link, deque(maxlen=PATIENCE)).append(event)
        yield from ()

    @on("ConnectionClosed")
    def ended(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        answers = self._answers.pop(link, None) if link is not None else None
        if link is None or not answers or event.source != "Device" or not link.known:
            return
        if not self.ledger.board_kind.startswith(("virtual", "sim")) or link.device not in self.ledger.boots:
            return
        is_excused = link.refused is not None or (link.said is not None and link.said.name == "Error")
        latest = self.ledger.disturbed.get(link.device)
        is_excused |= latest is not None and latest.name not in UNDONE  # it may have begun before the link
        if is_excused or self.ledger.is_disturbed(link.device, link.opened):
            return
        # Answers that came together may have crossed the end of a board that had waited for them.
        together = len(answers) == PATIENCE and event.at - answers[0].at < CROSSING
        since = event.at - answers[-1].at
        if not together and since < SOON * self.ledger.interval(link):
            message = f"{link.device} ended its link {since:.2f} s after the answer to a heartbeat"
            yield self.broken(event, f"{message}; {link.last_said()}", cause=answers[-1], link=link, waited=answers[-1])


SILENCE = (SilenceIsMeasured, BoardsStay)
