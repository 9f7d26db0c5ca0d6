"""A gateway that shuts down: it takes no device on, and asks its devices back at different moments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link

__all__ = ["DRAINING", "DrainingTakesNoDevice", "ReturnsAreSpread"]

MANY = 8
"""Devices that are asked to return at one moment by chance no more than once in ten million."""


class DrainingTakesNoDevice(Invariant):
    """A gateway that has told a device that it is draining enrolls or resumes no device on a link that it had then."""

    name = "draining gateways take no device"
    party = Party.GATEWAY
    source = "diagram gateway-drained"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._told: dict[str, Event] = {}
        """By gateway, the first device that it told so."""

    @on("Error")
    def told(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and event.source == "Gateway" and event.data.get("code") == "GATEWAY_DRAINING":
            self._told.setdefault(link.gateway, event)
        yield from ()

    @on("note gateway up", "note gateway down")
    def restarted(self, event: Event) -> Iterator[Violation]:
        self._told.pop(str(event.data.get("gateway")), None)
        yield from ()

    @on("EnrollmentResponse", "HeartbeatAcknowledgment")
    def accepted(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        told = self._told.get(link.gateway) if link is not None else None
        if link is None or told is None or not link.known or link.opened.n > told.n or link.said is None:
            return
        itself = link.refused is not None and link.refused.data.get("code") == "GATEWAY_DRAINING"
        if itself or self._is_late(event, link, told):
            message = f"the gateway sent {event.name} to {link.device} after it had told that it shuts down"
            yield self.broken(event, message, cause=told, link=link)

    @staticmethod
    def _is_late(event: Event, link: Link, told: Event) -> bool:
        """Whether the gateway sent an answer after ``told``, which crossed another link.

        A relay may read the two in any order, so there the question has to be later than ``told``.
        """
        if event.name == "EnrollmentResponse":
            is_relayed, asked = bool(link.opened.data.get("relayed")), link.request
            return not is_relayed or (asked is not None and asked.n > told.n)
        asked = _answered(event, link) if link.connected in (None, event) else None
        return asked is not None and asked.n > told.n


def _answered(event: Event, link: Link) -> Event | None:
    """The heartbeat that an acknowledgment answers."""
    number = event.data.get("messageId")
    return next((beat for beat in reversed(link.beats) if beat.data.get("messageId") == number), None)


class ReturnsAreSpread(Invariant):
    """A gateway that shuts down asks its devices to return at different moments."""

    name = "returns are spread"
    party = Party.GATEWAY
    source = "docs/reference/protocol (retry-after)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._same: defaultdict[str, list[Event]] = defaultdict(list)
        """By gateway, the errors that asked for one time, the latest."""

    @on("note gateway up")
    def began(self, event: Event) -> Iterator[Violation]:
        self._same.pop(str(event.data.get("gateway")), None)
        yield from ()

    @on("Error")
    def asked(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        told = event.data.get("retryAfter")
        if link is None or event.source != "Gateway" or event.data.get("code") != "GATEWAY_DRAINING":
            return
        same = self._same[link.gateway]
        if same and same[0].data.get("retryAfter") != told:
            same.clear()
        same.append(event)
        if len(same) == MANY and told is not None:
            message = f"the gateway asked {MANY} devices in a row to return in {told} ms"
            yield self.broken(event, message, cause=same[0], link=link)


DRAINING = (DrainingTakesNoDevice, ReturnsAreSpread)
