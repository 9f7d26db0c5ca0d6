"""Examples of the invariants about outages: what boards, gateways and controllers do without a link, and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.invariants import Party
from tests.invariants.report_histories import in_virtual_time, prints
from tests.invariants.story import Example, Story, all, enrolled, example

DISCONNECTED = {
    "lastHeartbeat": None,
    "connectedSince": None,
    "deviceStatus": "Stopped",
    "health": "unknown",
    "error": "x",
}


def loses_its_link_after_an_order(story: Story, *, told: bool) -> None:
    story.specifies()
    story.is_asked_to_deploy()
    story.closes()
    if told:
        entry = {"state": "failed", "code": "CONNECTION_LOST"}
        story.writes("Gateway", "PATCH Application", "app", status={"deviceStatuses": {"pump-1": entry}})
    story.becomes_disconnected()
    story.later(11)


def is_back_after_an_order(story: Story, *, repeated: bool, code: str = "", late: bool = False) -> None:
    story.specifies()
    story.is_asked_to_deploy()
    if code and not late:
        story.writes_entry(state="failed", code=code)
    story.closes("Gateway")
    if code and late:
        story.writes_entry(state="failed", code=code)
    story.becomes_disconnected()
    story.connects(link=2)
    story.beats(5, link=2)
    story.becomes_connected()
    story.later(4.5)
    if repeated:
        story.is_asked_to_deploy()
    story.later(0.9)


def is_of_an_offline_gateway(story: Story, *, disconnected: bool) -> None:
    story.state("Gateway", "gateway-1", "added", status={"phase": "Online"})
    story.state("Gateway", "gateway-1", status={"phase": "Offline"})
    if disconnected:
        story.writes_status("DeviceController", "Device", "pump-1", phase="Disconnected", **DISCONNECTED)
    story.later(16)


def receives(story: Story, *, on_this_link: bool) -> None:
    story.specifies()
    story.is_asked_to_deploy()
    story.deploys()
    if not on_this_link:
        story.closes()
        story.connects(link=2)
    story.beats(60, link=1 if on_this_link else 2, applications={"app": "receiving"})


def answers_a_chunk_of_before(story: Story, *, stopped: bool) -> None:
    story.specifies()
    story.is_asked_to_deploy()
    story.deploys()
    story.chunk(0, 11, acknowledged=False)
    if stopped:
        story.is_asked_to_stop()
        story.gateway("Stop", "app", messageId=20, applicationId="app")
    story.device("Error", messageId=11, code="PROTOCOL_ERROR", message="a chunk of app, which is not being received")


def waits_for_a_connection(story: Story, seconds: float) -> None:
    story.gateway_up()
    prints(story, "[     1.000] link: connecting to 127.0.0.1:1")
    story.later(seconds)
    prints(story, "[    60.000] link: no connection: no answer in time")


def pauses(story: Story, *lengths: float) -> None:
    for length in lengths:
        prints(story, f"[     1.000] link: next attempt in {length:.2f} s")


def beats_on(story: Story, times: int, first: int = 70, every: float = 2.0, **said: Any) -> None:
    for number in range(first, first + times):
        story.later(every)
        story.beats(number, **said)


def runs_without_record(story: Story, *, written: bool) -> None:
    story.runs()
    entry = {"state": "running" if written else "receiving"}
    story.state("Application", "app", status={"deviceStatuses": {"pump-1": entry}})
    beats_on(story, 5, applications={"app": "running"})


def is_disconnected_on_record(story: Story, *, corrected: bool) -> None:
    story.enrolls()
    story.writes_status("DeviceController", "Device", "pump-1", phase="Disconnected", **DISCONNECTED)
    beats_on(story, 2)
    if corrected:
        story.becomes_connected()
    beats_on(story, 3, 80)


OUTAGES: Mapping[str, Example] = {
    "orders have outcomes": example(
        Party.GATEWAY,
        all(enrolled, lambda s: loses_its_link_after_an_order(s, told=False)),
        all(enrolled, lambda s: loses_its_link_after_an_order(s, told=True)),
    ),
    "lost orders are repeated": example(
        Party.APPLICATION_CONTROLLER,
        all(in_virtual_time, enrolled, lambda s: is_back_after_an_order(s, repeated=False)),
        all(in_virtual_time, enrolled, lambda s: is_back_after_an_order(s, repeated=True)),
    ),
    "offline gateways serve no device": example(
        Party.DEVICE_CONTROLLER,
        all(enrolled, lambda s: is_of_an_offline_gateway(s, disconnected=False)),
        all(enrolled, lambda s: is_of_an_offline_gateway(s, disconnected=True)),
    ),
    "live sessions are on record": example(
        Party.GATEWAY,
        lambda s: is_disconnected_on_record(s, corrected=False),
        lambda s: is_disconnected_on_record(s, corrected=True),
    ),
    "reported states are written": example(
        Party.GATEWAY,
        lambda s: runs_without_record(s, written=False),
        lambda s: runs_without_record(s, written=True),
    ),
    "transfers end with their link": example(
        Party.BOARD,
        all(enrolled, lambda s: receives(s, on_this_link=False)),
        all(enrolled, lambda s: receives(s, on_this_link=True)),
    ),
    "chunks of a stopped transfer are ignored": example(
        Party.BOARD,
        all(enrolled, lambda s: answers_a_chunk_of_before(s, stopped=True)),
        all(enrolled, lambda s: answers_a_chunk_of_before(s, stopped=False)),
    ),
    "boards give up": example(
        Party.BOARD,
        all(in_virtual_time, lambda s: waits_for_a_connection(s, 55)),
        all(in_virtual_time, lambda s: waits_for_a_connection(s, 31), lambda s: s.later(60)),
    ),
    "pauses between attempts grow": example(
        Party.BOARD,
        lambda s: pauses(s, 0.3, 0.3, 0.6, 0.3),
        lambda s: pauses(s, 0.13, 0.3, 0.6, 1.0, 6.0),
    ),
}
"""By the invariant's name."""
