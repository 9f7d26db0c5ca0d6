"""Examples of the invariants about what boards report of applications, and about answers in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.history import Kind
from harness.invariants import Party
from tests.invariants.story import Example, Story, all, enrolled, example


def refused(story: Story, **said: Any) -> None:
    """The device refuses a deployment; it is asked about the application afterwards, and says that."""
    story.enrolls()
    story.specifies()
    story.is_asked_to_deploy()
    story.deploys()
    story.chunk(0, 11)
    story.chunk(1, 12)
    story.answers(ok=False, code="INVALID_MODULE", error="no entry run")
    story.gateway("ApplicationStatusRequest", "app", messageId=40, applicationId="app")
    told: dict[str, Any] = {"applicationId": "app", "state": "failed", "messageId": 40, **said}
    story.device("ApplicationStatus", "app", **told)


def measures(story: Story, **use: int) -> None:
    """An application runs; a fault follows with that use of resources."""
    story.runs()
    metrics = {"memory_bytes": 1, "wall_time_ms": 1, "fuel_used": 1}
    story.device("ApplicationStatus", "app", applicationId="app", state="running", messageId=41, metrics=metrics)
    story.device(
        "RuntimeFault", "app", applicationId="app", messageId=42, code="TRAP", message="trapped", resourceUse=use
    )


def in_virtual_time(story: Story) -> None:
    story.note("stack started", boards="sim")


def asks_late(story: Story, seconds: float) -> None:
    """The device answers a question after some seconds."""
    story.gateway("DeviceInfoRequest", messageId=50)
    story.later(seconds)
    story.device("DeviceInfo", messageId=50)


def beats_late(story: Story, seconds: float) -> None:
    """The gateway answers a heartbeat after some seconds."""
    story.beats(51, answered=False)
    story.later(seconds)
    story.gateway("HeartbeatAcknowledgment", messageId=51, gatewayTime=int(story.clock.now() * 1000))


def prints(story: Story, text: str) -> None:
    """A line on the device's console."""
    story.history.record(Kind.CONSOLE, "Device", "", "Console", {"board": "pump-1", "text": text}, "pump-1")


def introduces_itself(story: Story, version: str) -> None:
    in_virtual_time(story)
    story.gateway_up()
    prints(story, "[     0.000] wasmbed 1.0.0 on mcu board pump-1")
    story.connects()
    story.asks(firmwareVersion=version, mcuType="mcu")


def orders(story: Story, seconds: float) -> None:
    """The gateway announces a module some seconds after it was asked to."""
    story.specifies()
    story.is_asked_to_deploy()
    story.later(seconds)
    story.deploys()


REPORTS: Mapping[str, Example] = {
    "failures are explained": example(Party.BOARD, refused, lambda s: refused(s, error="no entry run")),
    "one account of a failure": example(
        Party.BOARD,
        lambda s: refused(s, error="no entry"),
        lambda s: refused(s, error="INVALID_MODULE: no entry run"),
    ),
    "the same is measured": example(
        Party.BOARD, lambda s: measures(s, memory_bytes=1), lambda s: measures(s, memory_bytes=1, wall_time_ms=1)
    ),
    "consoles agree": example(
        Party.BOARD, lambda s: introduces_itself(s, "1.0.1"), lambda s: introduces_itself(s, "1.0.0")
    ),
    "boards are prompt": example(
        Party.BOARD,
        all(in_virtual_time, enrolled, lambda s: asks_late(s, 1.5)),
        all(in_virtual_time, enrolled, lambda s: asks_late(s, 0.5), lambda s: s.later(2)),
    ),
    "gateways are prompt": example(
        Party.GATEWAY,
        all(in_virtual_time, enrolled, lambda s: beats_late(s, 1.5)),
        all(in_virtual_time, enrolled, lambda s: beats_late(s, 0.5), lambda s: orders(s, 0.5)),
    ),
}
"""By the invariant's name."""
