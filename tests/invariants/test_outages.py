"""Outages, and orders in their middle: what the judges of them know."""

import itertools

from tests.invariants.outage_histories import (
    DISCONNECTED,
    beats_on,
    is_back_after_an_order,
    is_disconnected_on_record,
    loses_its_link_after_an_order,
)
from tests.invariants.report_histories import in_virtual_time
from tests.invariants.story import Story, attempts, counts_retries, moment


def test_short_heartbeats_leave_a_gateway_its_time_to_correct_the_record() -> None:
    """It compares its sessions with the record with its own beat, which is five seconds in stacks."""
    for every, convicted in ((0.3, False), (3.0, True)):
        story = Story()
        story.state("Gateway", "gateway-1", "added", status={"lastSeenIntervalMilliseconds": 5000})
        story.enrolls()
        story.writes_status("DeviceController", "Device", "pump-1", phase="Disconnected", **DISCONNECTED)
        beats_on(story, 6, every=every)
        assert ("live sessions are on record" in story.broken()) is convicted


def test_a_gateway_that_was_killed_writes_no_outcome() -> None:
    """python -m benchmarks.clean --seed 7000028 --recipe applications"""
    for killed in (True, False):
        story = Story()
        story.enrolls()
        if killed:
            story.note("gateway down", gateway="gateway-1")
        loses_its_link_after_an_order(story, told=False)
        assert ("orders have outcomes" in story.broken()) is not killed


def test_devices_of_a_gateway_that_is_offline_on_record_are_disconnected_there() -> None:
    """Its beats were refused: python -m benchmarks.clean --seed 7000262 --recipe applications."""
    for phase in ("Offline", "Online"):
        story = Story()
        story.state("Gateway", "gateway-1", "added", status={"phase": phase})
        is_disconnected_on_record(story, corrected=False)
        assert ("live sessions are on record" in story.broken()) is (phase == "Online")


def test_an_order_that_the_gateway_itself_refused_is_not_repeated() -> None:
    """Its module was none, as it says before or after the end of the link: python -m benchmarks.clean
    --seed 8000042 --recipe applications, and --seed 11001160 --recipe mixed."""
    for code, late in itertools.product(("MODULE_INVALID", "CONNECTION_LOST"), (False, True)):
        story = Story()
        in_virtual_time(story)
        story.enrolls()
        is_back_after_an_order(story, repeated=False, code=code, late=late)
        assert ("lost orders are repeated" in story.broken()) is (code == "CONNECTION_LOST")


def test_a_write_of_the_gateway_before_that_comes_late_is_not_about_the_new_link() -> None:
    """An outage held it back: python -m benchmarks.clean --seed 10003064 --recipe mixed."""
    for gateway in ("second", "gateway-1"):
        story = Story()
        story.enrolls()
        before = moment(story.clock.now())
        story.closes()
        story.later(20)
        story.connects(link=2)
        story.beats(3, link=2)
        story.becomes_connected(connectedSince=before, gateway=gateway)
        assert ("connected since" in story.broken()) is (gateway == "gateway-1")


def test_retries_do_not_count_from_the_write_that_a_device_enrolls_again() -> None:
    """The watch of the record was late: python -m benchmarks.clean --seed 11002892 --recipe applications."""
    for code in (200, 409):
        story = Story()
        attempts(story, 1, 2, 3)
        story.writes("Gateway", "PATCH Device", "pump-1", code, subresource="status", status={"phase": "Enrolling"})
        counts_retries(story, 0)
        assert ("retries are counted" in story.broken()) is (code == 409)


def test_an_outage_postpones_the_write_of_what_a_heartbeat_said() -> None:
    """The heartbeats in between say the same: python -m benchmarks.clean --seed 13001408 --recipe mixed."""
    for shows_it in (True, False):
        story = Story()
        story.enrolls()
        story.gateway_up(statusInterval=2500)
        before = moment(story.clock.now())
        story.later(3)
        story.beats(101, runtimeStatus="busy")
        said = moment(story.clock.now())
        story.fault("API fails with 409")
        story.later(3)
        story.beats(102, runtimeStatus="busy")
        story.fault("API restored")
        for number in range(103, 110):
            story.later(3)
            story.beats(number, runtimeStatus="busy")
            if number == 104:
                shown = story.vital_signs(lastHeartbeat=said if shows_it else before)
                story.writes_status("Gateway", "Device", "pump-1", **shown)
        assert ("answered heartbeats are written" in story.broken()) is not shows_it


def test_what_a_device_took_since_its_last_heartbeat_is_not_sent_again() -> None:
    """An order repeats itself where an outage kept its outcome from the record:
    python -m benchmarks.clean --seed 14000108 --recipe applications."""
    for asked, convicted in (("app", False), ("other", True)):
        story = Story()
        in_virtual_time(story)
        story.runs()
        story.is_asked_to_deploy(asked)
        story.later(1.5)
        story.closes("Gateway")
        assert ("gateways are prompt" in story.broken()) is convicted
