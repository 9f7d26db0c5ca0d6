"""Judges pass over what a system lacks: moves over absent phases are one move."""

from __future__ import annotations

import pytest

from harness.wasmbed.resources.extent import WHOLE, Extent
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import MOVES, is_legal

TWO = Extent(frozenset(f"Device {phase}" for phase in ("Pending", "Enrolling", "Enrolled", "Failed")))


@pytest.mark.parametrize(
    ("source", "target", "legal"),
    [
        (None, "Connected", True),
        (None, "Disconnected", True),
        (None, "Enrolled", False),
        ("Connected", "Connected", True),
        ("Connected", "Disconnected", True),
        ("Disconnected", "Connected", True),
        ("Connected", "Gone", False),
    ],
)
def test_two_phases(source: str | None, target: str, legal: bool) -> None:
    assert TWO.is_legal(DEVICE, source, target) is legal


def test_a_phase_that_the_system_has_is_not_passed_over() -> None:
    extent = Extent(frozenset({"Device Enrolled"}))
    assert extent.is_legal(DEVICE, "Enrolling", "Connected")
    assert not extent.is_legal(DEVICE, "Pending", "Connected")
    assert not extent.is_legal(DEVICE, None, "Connected")


def test_a_whole_system_has_the_documents_moves() -> None:
    for source in (None, *MOVES[DEVICE]):
        for target in MOVES[DEVICE]:
            assert WHOLE.is_legal(DEVICE, source, target) is is_legal(DEVICE, source, target)


def test_a_field_is_absent_with_what_holds_it() -> None:
    extent = Extent(frozenset({"Device status.conditions.*.reason", "Device status.deviceInfo", "Application"}))
    assert [extent.has(name) for name in ("Device", "Device Connected", "Device status.conditions")] == [True] * 3
    absent = ("Device status.conditions.0.reason", "Device status.deviceInfo.memory", "Application status.phase")
    assert not any(map(extent.has, absent))
