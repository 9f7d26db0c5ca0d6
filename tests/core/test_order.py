"""One order for the reports of several taps, with reserved places."""

from __future__ import annotations

import asyncio

from harness.core import order as order_module
from harness.core.order import Order


def test_without_a_place_each_report_is_made_at_once():
    made = []
    order = Order()
    order.put(lambda: made.append(1))
    assert made == [1]


def test_later_reports_wait_for_the_place_and_its_own_reports_come_first():
    made = []
    order = Order()
    first, second = order.hold(), None
    order.put(lambda: made.append("effect"))
    second = order.hold()
    order.put(lambda: made.append("more"))
    second.put(lambda: made.append("second"))
    second.release()
    assert made == []
    first.put(lambda: made.append("cause"))
    first.put(lambda: made.append("another"))
    first.release()
    assert made == ["cause", "another", "effect", "second", "more"]
    order.put(lambda: made.append("now"))
    assert made[-1] == "now"


def test_a_report_put_while_others_are_made_comes_after_them():
    made = []
    order = Order()
    place = order.hold()
    order.put(lambda: order.put(lambda: made.append("answer")))
    order.put(lambda: made.append("last"))
    place.release()
    assert made == ["last", "answer"]


def test_a_tap_that_fails_does_not_hold_back_other_reports(caplog):
    made = []
    order = Order()
    place = order.hold()
    order.put(lambda: 1 / 0)
    order.put(lambda: made.append("next"))
    place.release()
    assert made == ["next"]
    assert "a tap failed" in caplog.text


async def test_a_waiting_task_is_woken_when_its_turn_comes():
    order = Order()
    await order.reached()
    place = order.hold()
    waiting = asyncio.ensure_future(order.reached())
    await asyncio.sleep(0)  # noqa: TID251
    assert not waiting.done()
    place.release()
    await waiting


def test_the_number_of_waiting_reports_is_bounded(monkeypatch):
    monkeypatch.setattr(order_module, "LIMIT", 3)
    made = []
    order = Order()
    place = order.hold()
    for number in range(5):
        order.put(lambda number=number: made.append(number))
    assert made == [0, 1, 2, 3, 4]
    place.release()


def test_waiting_reports_can_be_made_without_the_missing_ones():
    made = []
    order = Order()
    place = order.hold()
    order.put(lambda: made.append("effect"))
    order.give_up()
    assert made == ["effect"]
    place.put(lambda: made.append("too late"))
    place.release()
    assert made == ["effect"]
