"""The state machine of a session, seen from either end: each end is convicted for what it sends out of turn.

The diagrams device-enrollment, device-connection and heartbeat-and-monitoring, and the exchanges of ``wasmbed.cddl``,
fix the turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger, Link

__all__ = ["SESSIONS", "DeviceTurns", "GatewayTurns", "NothingAfterTheEnd", "OneSessionPerDevice"]

REPORTS = (
    "ApplicationStatus", "DeploymentResult", "StopResult", "DeviceInfo", "RuntimeFault", "ChunkAcknowledgment",
)  # fmt: skip
DEVICE_MESSAGES = ("EnrollmentRequest", "EnrollmentAcknowledgment", "Heartbeat", *REPORTS)
ORDERS = ("Deploy", "ModuleChunk", "Stop", "DeviceInfoRequest", "ApplicationStatusRequest")
GATEWAY_MESSAGES = ("EnrollmentResponse", "HeartbeatAcknowledgment", *ORDERS)

DEVICE_TURNS: Mapping[str, Mapping[str, str]] = {
    "connected": {"EnrollmentRequest": "asking to enroll", "Heartbeat": "beating"},
    "asking to enroll": {},
    "enrolled": {"EnrollmentAcknowledgment": "acknowledged"},
    "acknowledged": {"Heartbeat": "beating"},
    "beating": {"Heartbeat": "beating", **dict.fromkeys(REPORTS, "beating")},
}
"""For each state of the device's end, what the device may send, and the state after it."""
GATEWAY_TURNS: Mapping[str, Mapping[str, str]] = {
    "connected": {},
    "asked to enroll": {"EnrollmentResponse": "enrolled"},
    "asked by a heartbeat": {"HeartbeatAcknowledgment": "serving"},
    "enrolled": {"HeartbeatAcknowledgment": "serving"},
    "serving": {"HeartbeatAcknowledgment": "serving", **dict.fromkeys(ORDERS, "serving")},
    "paired": {},
    "refused": {},
}
"""The same for the gateway's end. It may send an error at any time."""


class DeviceTurns(Invariant):
    """A device asks to enroll or beats first, acknowledges its enrollment before its first heartbeat, and reports on
    nothing before that heartbeat."""

    name = "device turns"
    party = Party.BOARD
    source = "diagrams device-enrollment and device-connection"
    holds_at_boards = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._state: dict[Link, str] = {}

    @on("TlsConnected")
    def begin(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._state[link] = "connected"
        yield from ()

    @on(*DEVICE_MESSAGES)
    def said(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or (state := self._state.get(link)) is None:
            return
        following = DEVICE_TURNS[state].get(event.name)
        if following is None:
            # The gateway answers what is out of turn with an error; judging goes on from what the device believes.
            self._state.pop(link)
            if self.ledger.is_disturbed(link.device, link.opened):
                return  # what was due may be lost
            allowed = " or ".join(DEVICE_TURNS[state]) or "the gateway's answer"
            yield self.broken(
                event, f"{link.device} sent {event.name} while {state}; {allowed} was due", link=link, cause=link.opened
            )
        else:
            self._state[link] = following

    @on("EnrollmentResponse")
    def enrolled(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and link in self._state:
            self._state[link] = "enrolled"
        yield from ()

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if event.data.get("code") == "GATEWAY_DRAINING":
            return  # it answers nothing, and crosses what the device has sent meanwhile
        if link is not None and event.source == "Gateway" and link in self._state and not link.acknowledged:
            self._state[link] = "connected"
        yield from ()


class GatewayTurns(Invariant):
    """A gateway accepts before it serves: it sends nothing but errors to a device that has not asked, no order before a
    heartbeat was answered, nothing but one certificate to a device without one, and nothing after
    CERTIFICATE_INVALID."""

    name = "gateway turns"
    party = Party.GATEWAY
    source = "diagrams device-enrollment and certificate-invalid; docs/reference/protocol"
    holds_at_boards = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._state: dict[Link, str] = {}

    @on("TlsConnected")
    def begin(self, event: Event) -> Iterator[Violation]:
        if (link := self.ledger.link(event)) is not None:
            self._state[link] = "connected"
        yield from ()

    @on("EnrollmentRequest", "Heartbeat")
    def asked(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and self._state.get(link) == "connected":
            asked = "asked to enroll" if event.name == "EnrollmentRequest" else "asked by a heartbeat"
            self._state[link] = asked
        yield from ()

    @on(*GATEWAY_MESSAGES)
    def sent(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or (state := self._state.get(link)) is None:
            return
        following = GATEWAY_TURNS[state].get(event.name)
        if following is None:
            self._state.pop(link)
            cause = link.refused if state == "refused" else link.opened
            yield self.broken(
                event, f"the gateway sent {event.name} to {link.device}, which is {_why(state)}", cause=cause, link=link
            )
            return
        self._state[link] = "paired" if event.data.get("certificate") else following

    @on("Error")
    def refused(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or event.source != "Gateway" or link not in self._state:
            return
        if event.data.get("code") == "CERTIFICATE_INVALID":
            self._state[link] = "refused"
        elif self._state[link] in ("asked to enroll", "asked by a heartbeat"):
            self._state[link] = "connected"
        yield from ()


def _why(state: str) -> str:
    return {
        "connected": "connected and has asked for nothing that was not refused",
        "asked to enroll": "asking to enroll and not enrolled yet",
        "asked by a heartbeat": "back with a heartbeat that is not answered yet",
        "enrolled": "enrolled and has no heartbeat answered yet",
        "paired": "paired and has to come back with its certificate",
        "refused": "refused: its certificate is invalid",
    }.get(state, state)


class NothingAfterTheEnd(Invariant):
    """Nothing crosses a link after its end."""

    name = "nothing after the end of a link"
    party = Party.GATEWAY
    source = "diagram connection-lost"

    @on(*DEVICE_MESSAGES, *GATEWAY_MESSAGES, "Error")
    def crossed(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is not None and link.known and link.closed is not None:
            seen = "sent" if event.source == "Gateway" else "took"
            message = f"the gateway {seen} {event.name} on the link {link.name} of {link.device}, which had ended"
            yield self.broken(event, message, cause=link.closed, link=link)


class OneSessionPerDevice(Invariant):
    """A gateway serves a device on one link at a time."""

    name = "one session a device"
    party = Party.GATEWAY
    source = "diagram enrollment-failure (DUPLICATE_DEVICE)"

    @on("HeartbeatAcknowledgment", "EnrollmentResponse")
    def accepted(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or event.data.get("certificate"):
            return
        for other in self.ledger.open_links(link.device):
            if other is not link and other.gateway == link.gateway and other.known and other.connected is not None:
                yield self.broken(
                    event,
                    f"the gateway accepted {link.device} on link {link.name} while it serves it on {other.name}",
                    cause=other.connected,
                    link=link,
                )


SESSIONS = (DeviceTurns, GatewayTurns, NothingAfterTheEnd, OneSessionPerDevice)
