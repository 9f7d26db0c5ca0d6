"""One order for several taps, in which a place can be kept free."""

from __future__ import annotations

import asyncio

from harness.core import order as order_module
from harness.core.order import Order


def test_without_a_place_everything_is_told_at_once():
    told = []
    order = Order()
    order.put(lambda: told.append(1))
    assert told == [1]


def test_what_comes_later_waits_for_the_place_and_what_belongs_there_is_first():
    told = []
    order = Order()
    first, second = order.hold(), None
    order.put(lambda: told.append("effect"))
    second = order.hold()
    order.put(lambda: told.append("more"))
    second.put(lambda: told.append("second"))
    second.release()
    assert told == []
    first.put(lambda: told.append("cause"))
    first.put(lambda: told.append("another"))
    first.release()
    assert told == ["cause", "another", "effect", "second", "more"]
    order.put(lambda: told.append("now"))
    assert told[-1] == "now"


def test_what_is_told_while_others_are_told_comes_after_them():
    told = []
    order = Order()
    place = order.hold()
    order.put(lambda: order.put(lambda: told.append("answer")))
    order.put(lambda: told.append("last"))
    place.release()
    assert told == ["last", "answer"]


def test_a_tap_that_fails_keeps_nobody_back(caplog):
    told = []
    order = Order()
    place = order.hold()
    order.put(lambda: 1 / 0)
    order.put(lambda: told.append("next"))
    place.release()
    assert told == ["next"]
    assert "a tap failed" in caplog.text


def test_who_waits_is_woken_when_its_turn_has_come():
    async def main():
        order = Order()
        await order.reached()
        place = order.hold()
        waiting = asyncio.ensure_future(order.reached())
        await asyncio.sleep(0)  # noqa: TID251
        assert not waiting.done()
        place.release()
        await waiting

    asyncio.run(main())


def test_so_much_may_wait_and_no_more(monkeypatch):
    monkeypatch.setattr(order_module, "LIMIT", 3)
    told = []
    order = Order()
    place = order.hold()
    for number in range(5):
        order.put(lambda number=number: told.append(number))
    assert told == [0, 1, 2, 3, 4]
    place.release()


def test_what_still_waits_can_be_told_as_it_stands():
    told = []
    order = Order()
    place = order.hold()
    order.put(lambda: told.append("effect"))
    order.give_up()
    assert told == ["effect"]
    place.put(lambda: told.append("too late"))
    place.release()
    assert told == ["effect"]
