"""Examples of the invariants about silence, shutdown, and how often something is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.invariants import Party
from tests.invariants.story import OTHER_ID, Example, Story, all, enrolled, example


def on_virtual_boards(story: Story) -> None:
    story.note("stack started", boards="virtual")


def another_asks(story: Story) -> None:
    story.connects("pump-2", 2)
    story.asks("pump-2", 2)


def another_is_enrolled(story: Story) -> None:
    story.responds("pump-2", 2, deviceId=OTHER_ID)


def is_given_up(story: Story) -> None:
    story.closes("Gateway", reason="3 heartbeats missed")


def another_is_given_up(story: Story) -> None:
    story.gateway("ConnectionClosed", device="pump-2", link=2, reason="3 heartbeats missed")


def drains(story: Story, link: int = 1, retry_after: int = 500) -> None:
    """The gateway tells the device of a link that it shuts down."""
    device = f"pump-{link}"
    if link > 1:
        story.connects(device, link)
    story.gateway("Error", device=device, link=link, messageId=70, code="GATEWAY_DRAINING", retryAfter=retry_after)


def drains_eight(story: Story, step: int = 0) -> None:
    for number in range(8):
        drains(story, 11 + number, 500 + step * number)


def writes_heartbeats(story: Story, seconds: float, of: str = "statusInterval", **said: Any) -> None:
    """Two heartbeats, ``seconds`` apart, are written; the interval is a second and a half."""
    story.enrolls()
    story.gateway_up(**{of: 1500})
    for number in (101, 102):
        story.later(seconds)
        story.beats(number, **said)
        story.writes_status("Gateway", "Device", "pump-1", **story.vital_signs())


def beats_unwritten(story: Story, written: bool, of: str = "heartbeatWriteInterval") -> None:
    """Heartbeats are answered for a quarter of a minute, the first of which says something new; the gateway writes one
    of them, or none."""
    story.enrolls()
    story.gateway_up(**{of: 500})
    for number in range(101, 107):
        story.later(3)
        story.beats(number, runtimeStatus="busy")
        if written and number == 103:
            story.writes_status("Gateway", "Device", "pump-1", **story.vital_signs(wasmRuntime="busy"))


def writes_twice(story: Story, seconds: float) -> None:
    """The gateway writes an Application that has a thousand devices, and again ``seconds`` later."""
    story.gateway_up(restPerDevice=0.5)
    story.specifies()
    entries = {f"pump-{number}": {"state": "running"} for number in range(1000)}
    story.writes_status("ApplicationController", "Application", "app", deviceStatuses=entries)
    story.writes("Gateway", "PATCH Application", "app", subresource="status", status={"metrics": {}})
    story.later(seconds)
    story.writes("Gateway", "PATCH Application", "app", subresource="status", status={"metrics": {}})


PACES: Mapping[str, Example] = {
    "silence is measured": example(
        Party.GATEWAY,
        all(
            enrolled,
            lambda s: s.later(1),
            another_asks,
            another_is_enrolled,
            lambda s: s.later(3),
            another_is_given_up,
        ),
        all(
            enrolled,
            lambda s: s.later(1),
            another_asks,
            another_is_enrolled,
            lambda s: s.later(3),
            is_given_up,
            another_is_given_up,
        ),
    ),
    "boards stay": example(
        Party.BOARD,
        all(on_virtual_boards, enrolled, lambda s: s.later(0.5), lambda s: s.closes()),
        all(
            on_virtual_boards,
            enrolled,
            lambda s: s.later(3),
            lambda s: s.beats(3, answered=False),
            lambda s: s.closes(),
        ),
    ),
    "draining gateways take no device": example(
        Party.GATEWAY,
        all(enrolled, another_asks, drains, another_is_enrolled),
        all(enrolled, another_asks, another_is_enrolled, drains),
    ),
    "returns are spread": example(
        Party.GATEWAY,
        all(enrolled, drains_eight),
        all(enrolled, lambda s: drains_eight(s, 1)),
    ),
    "heartbeats are summed up": example(
        Party.GATEWAY,
        lambda s: writes_heartbeats(s, 1),
        lambda s: writes_heartbeats(s, 1.6),
    ),
    "answered heartbeats are written": example(
        Party.GATEWAY,
        lambda s: beats_unwritten(s, False),
        lambda s: beats_unwritten(s, True),
    ),
    "applications rest between writes": example(
        Party.GATEWAY,
        lambda s: writes_twice(s, 0.1),
        lambda s: writes_twice(s, 0.6),
    ),
}
"""By the invariant's name."""
