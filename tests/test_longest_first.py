"""Where long tests stand in the order of a run with workers."""

from __future__ import annotations

import pytest

from tests.longest_first import dealt


def test_every_second_share_begins_with_long_tests_and_the_others_keep_their_order() -> None:
    order = dealt(list("abcdefghij"), {"c": 1.0, "h": 9.0, "j": 4.0}, 4)
    assert order == [*"hc", *"ab", *"jde", *"fgi"]


def test_more_long_tests_than_a_share_has_room_for_take_room_of_the_next() -> None:
    assert dealt(list("abcd"), {"a": 4.0, "b": 3.0, "c": 2.0}, 2) == [*"abc", *"d"]


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("long", ["", "a", "ij", "abcdefghij"])
def test_no_test_is_lost(long: str, workers: int) -> None:
    assert sorted(dealt(list("abcdefghij"), dict.fromkeys(long, 1.0), workers)) == list("abcdefghij")
