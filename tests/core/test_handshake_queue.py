"""The order of handshakes, and the budget for those that fail."""

from __future__ import annotations

from harness.core.handshake_queue import Budget, HandshakeQueue

AMPLE = Budget(1000, 1000.0)


def make(address: Budget = AMPLE, total: Budget = AMPLE) -> HandshakeQueue[str]:
    return HandshakeQueue(address, total, 0.0)


def everyone(queue: HandshakeQueue[str], now: float = 0.0) -> list[str]:
    found = []
    while (peer := queue.pop(now)) is not None:
        found.append(peer)
    return found


def test_the_newest_of_a_host_is_first_and_hosts_take_turns() -> None:
    queue = make()
    for number in range(4):
        queue.push("10.0.0.1", f"flood {number}")
    queue.push("10.0.0.2", "honest")
    assert len(queue) == 5
    assert everyone(queue) == ["honest", "flood 3", "flood 2", "flood 1", "flood 0"]
    assert len(queue) == 0
    assert queue.wait(0.0) is None


def test_two_hosts_alternate() -> None:
    queue = make()
    for number in range(3):
        queue.push("10.0.0.1", f"a{number}")
        queue.push("10.0.0.2", f"b{number}")
    assert everyone(queue) == ["b2", "a2", "b1", "a1", "b0", "a0"]


def test_a_host_that_wastes_handshakes_waits_and_others_do_not() -> None:
    queue = make(address=Budget(2, 0.5))
    for number in range(5):
        queue.push("10.0.0.1", f"flood {number}")
    assert everyone(queue) == ["flood 4", "flood 3"]
    queue.push("10.0.0.2", "honest")
    assert queue.wait(0.0) == 0
    assert everyone(queue) == ["honest"]
    assert queue.wait(0.0) == 2
    assert everyone(queue, 1.9) == []
    assert everyone(queue, 2.0) == ["flood 2"]
    assert everyone(queue, 6.0) == ["flood 1", "flood 0"]


def test_what_succeeds_costs_nothing() -> None:
    queue = make(address=Budget(1, 0.001), total=Budget(1, 0.001))
    for number in range(100):
        queue.push("10.0.0.1", str(number))
        assert everyone(queue) == [str(number)]
        queue.give_back("10.0.0.1")


def test_all_hosts_together_have_a_budget() -> None:
    queue = make(total=Budget(3, 1.0))
    for number in range(5):
        queue.push(f"10.0.0.{number}", str(number))
    assert len(everyone(queue)) == 3
    assert queue.wait(0.0) == 1
    assert len(everyone(queue, 1.0)) == 1


def test_a_network_of_ipv6_is_one_host() -> None:
    queue = make(address=Budget(1, 1.0))
    for number in range(3):
        queue.push(f"2001:db8::{number}", str(number))
    queue.push("2001:db8:0:1::1", "neighbour")
    queue.push("::ffff:10.0.0.1", "mapped")
    queue.push("::ffff:10.0.0.2", "mapped too")
    assert everyone(queue) == ["mapped too", "mapped", "neighbour", "2"]


def test_who_has_to_go_is_the_oldest_of_those_that_have_to_wait_anyway() -> None:
    queue = make(address=Budget(1, 1.0))
    for number in range(3):
        queue.push("10.0.0.1", f"flood {number}")
    assert everyone(queue) == ["flood 2"]
    queue.push("10.0.0.2", "honest")
    assert [queue.drop_oldest() for _ in range(4)] == ["flood 0", "flood 1", "honest", None]
    assert len(queue) == 0
    queue.push("10.0.0.1", "late")
    assert everyone(queue) == []
    assert everyone(queue, 1.0) == ["late"]


def test_what_is_remembered_of_hosts_is_bounded() -> None:
    queue = make(address=Budget(1, 1e-9), total=Budget(1 << 20, 1.0))
    for number in range(5000):
        queue.push(f"10.{number >> 8}.{number & 255}.1", "peer")
    assert len(everyone(queue)) == 5000
    assert len(queue._buckets) == 4096
