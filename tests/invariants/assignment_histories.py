"""Examples of the invariants about assignments to other gateways. See :mod:`.histories`."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.history import Kind
from harness.invariants import Party
from tests.invariants.story import ID, Example, Story, all, example


def is_sent_away(story: Story, *, console: bool = True) -> None:
    """The device enrolls at gateway-1, is assigned to gateway-2, and leaves."""
    story.note("stack started", boards="sim", cluster="embedded")
    story.gateway_up()
    story.gateway_up(gateway="gateway-2")
    story.note("power on", "pump-1")
    if console:
        says(story, "link: connecting to 10.0.0.1:4433")
    story.connects()
    story.asks()
    story.writes("Gateway", "POST Device", "pump-1", 201)
    story.state("Device", "pump-1", "added", status={"phase": "Pending"})
    story.writes_status("Gateway", "Device", "pump-1", phase="Enrolling", deviceId=ID, gateway="gateway-1")
    story.writes_status("DeviceController", "Device", "pump-1", phase="Enrolled")
    story.responds(gatewayName="gateway-2", gatewayEndpoint="10.0.0.2:4433", reassigned=True)
    story.device("EnrollmentAcknowledgment", messageId=1, deviceId=ID)
    story.closes()


def says(story: Story, line: str) -> None:
    """A line of the device's console."""
    data = {"board": "pump-1", "text": f"[     0.100] {line}"}
    story.history.record(Kind.CONSOLE, "Device", "", "console", data, "pump-1")


def comes_back(story: Story) -> None:
    story.connects(link=2)
    story.beats(3, link=2)


ASSIGNMENTS: Mapping[str, Example] = {
    "assigned devices go there": example(
        Party.BOARD,
        all(is_sent_away, comes_back),
        all(
            is_sent_away,
            lambda s: says(s, "link: connecting to 10.0.0.2:4433"),
            lambda s: says(s, "link: no connection: refused"),
            comes_back,
        ),
    ),
    "sent away is let go": example(
        Party.GATEWAY,
        all(is_sent_away, lambda s: s.becomes_disconnected(), lambda s: s.later(2)),
        all(
            is_sent_away,
            lambda s: s.writes("Gateway", "PATCH Gateway", "gateway-1", status={}),
            lambda s: s.becomes_disconnected(),
            lambda s: s.later(2),
        ),
    ),
}
