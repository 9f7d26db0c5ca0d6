"""Defects that schedules have found, each with its schedule. `docs/found.md` tells what they were."""

from __future__ import annotations

import pytest

from harness.faults import Entry, Schedule, Side, TimeMoment
from harness.sim import SimNativeTier
from tests.faults.cells import FAULTS, Cell, run

FOUND = {
    "a stop that nobody answered became the application's error": Cell("application-stop", 9, Side.AFTER, "unplugged"),
    "an application was Stopped before its stop had its time": Cell("application-stop", 8, Side.BEFORE, "silence"),
    "a write that conflicts was sent again at once, without end": Cell("gateway-drained", 16, Side.BEFORE, "conflicts"),
    "a listener looked for silent peers again and again": Cell(
        "device-enrollment-by-request", 1, Side.BEFORE, "silence"
    ),
    "the relay recorded an end before the frames that it held": Cell("device-enrollment", 2, Side.DURING, "reset"),
    "an enrollment's answer was counted that no link could carry": Cell(
        "device-enrollment-by-request", 5, Side.BEFORE, "unplugged"
    ),
    "a board's connector ended the silence of the network, for the judges": Cell(
        "connection-establishment", 4, Side.BEFORE, "silence"
    ),
    "a broken link still passed what the relay held": Cell("application-deployment", 8, Side.DURING, "link-cut"),
    "the record of a broken link had half a message": Cell("certificate-renewed", 13, Side.DURING, "half-open-gateway"),
    "a board was to remember what came while it was restarted": Cell("device-deleted", 23, Side.AFTER, "reset"),
    "messages were to be counted that came together with a wrong record": Cell(
        "transfer-cancelled", 13, Side.BEFORE, "corruption"
    ),
    "an application that failed could not be started again": Cell("application-stop", 4, Side.BEFORE, "no-memory"),
    "a gateway's end was recorded when its board heard of it": Cell("device-deleted", 23, Side.BEFORE, "slow-close"),
    "orders that waited for a gateway were to have pauses": Cell(
        "application-deployment", 3, Side.AFTER, "long-freeze"
    ),
    "a board with a slow clock was to be in time": Cell("certificate-renewed", 14, Side.AFTER, "clock-drift"),
    "a silent link was expected to carry heartbeats": Cell("certificate-renewed", 3, Side.AFTER, "silence"),
}


def test_a_lease_that_conflicts_is_renewed_with_pauses() -> None:
    """The controllers' leader repeated the renewal at once, for as long as it conflicted."""
    run("device-enrollment", Schedule.of(Entry(TimeMoment(20.0), FAULTS["conflicts"])))


@pytest.mark.skipif(SimNativeTier.unavailable() is not None, reason=str(SimNativeTier.unavailable()))
def test_a_native_boards_time_goes_on_after_a_power_cut() -> None:
    """Its time stood still for as long as it had run before, and it sent no heartbeats."""
    cell = Cell("application-stop", 25, Side.AFTER, "brown-out")
    run(cell.sequence, cell.schedule, boards="sim-native")


@pytest.mark.parametrize("defect", FOUND)
def test_it_is_mended(defect: str) -> None:
    cell = FOUND[defect]
    run(cell.sequence, cell.schedule)
