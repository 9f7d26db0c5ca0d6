"""The judges' values by application and device."""

from __future__ import annotations

from harness.invariants.pair_map import PairMap


def test_all_of_an_application_or_a_device_go_at_once() -> None:
    """Each entry is removed once, and what is left is found by both of its parts."""
    found = PairMap[int]()
    for number, key in enumerate((("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))):
        found[key] = number
    found["a", "x"] = 9
    assert sorted(found.drop(device="x")) == [("a", "x"), ("b", "x")]
    assert found.drop(application="a") == [("a", "y")]
    assert dict(found) == {("b", "y"): 3}
    assert found.drop(application="a") == found.drop(device="x") == []
    assert found.pop(("b", "y")) == 3
    assert found.drop(device="y") == []
    assert len(found) == 0
