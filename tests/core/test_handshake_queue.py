"""The order of handshakes, and the budget for those that fail."""

from __future__ import annotations

from harness.core.handshake_queue import Budget, HandshakeQueue

AMPLE = Budget(1000, 1000.0)


def make(address: Budget = AMPLE, total: Budget = AMPLE) -> HandshakeQueue[str]:
    return HandshakeQueue(address, total, 0.0)


def pop_all(queue: HandshakeQueue[str], now: float = 0.0) -> list[str]:
    found = []
    while (peer := queue.pop(now)) is not None:
        found.append(peer)
    return found


def test_the_newest_peer_of_a_host_is_first_and_hosts_take_turns() -> None:
    queue = make()
    for number in range(4):
        queue.push("10.0.0.1", f"flood {number}")
    queue.push("10.0.0.2", "honest")
    assert len(queue) == 5
    assert pop_all(queue) == ["honest", "flood 3", "flood 2", "flood 1", "flood 0"]
    assert len(queue) == 0
    assert queue.wait(0.0) is None


def test_two_hosts_alternate() -> None:
    queue = make()
    for number in range(3):
        queue.push("10.0.0.1", f"a{number}")
        queue.push("10.0.0.2", f"b{number}")
    assert pop_all(queue) == ["b2", "a2", "b1", "a1", "b0", "a0"]


def test_a_host_whose_handshakes_fail_waits_and_others_do_not() -> None:
    queue = make(address=Budget(2, 0.5))
    for number in range(5):
        queue.push("10.0.0.1", f"flood {number}")
    assert pop_all(queue) == ["flood 4", "flood 3"]
    queue.push("10.0.0.2", "honest")
    assert queue.wait(0.0) == 0
    assert pop_all(queue) == ["honest"]
    assert queue.wait(0.0) == 2
    assert pop_all(queue, 1.9) == []
    assert pop_all(queue, 2.0) == ["flood 2"]
    assert pop_all(queue, 6.0) == ["flood 1", "flood 0"]


def test_a_handshake_that_succeeds_costs_no_token() -> None:
    queue = make(address=Budget(1, 0.001), total=Budget(1, 0.001))
    for number in range(100):
        queue.push("10.0.0.1", str(number))
        assert pop_all(queue) == [str(number)]
        queue.give_back("10.0.0.1")


def test_all_hosts_together_share_a_budget() -> None:
    queue = make(total=Budget(3, 1.0))
    for number in range(5):
        queue.push(f"10.0.0.{number}", str(number))
    assert len(pop_all(queue)) == 3
    assert queue.wait(0.0) == 1
    assert len(pop_all(queue, 1.0)) == 1


def test_an_ipv6_network_counts_as_one_host() -> None:
    queue = make(address=Budget(1, 1.0))
    for number in range(3):
        queue.push(f"2001:db8::{number}", str(number))
    queue.push("2001:db8:0:1::1", "neighbour")
    queue.push("::ffff:10.0.0.1", "mapped")
    queue.push("::ffff:10.0.0.2", "mapped too")
    assert pop_all(queue) == ["mapped too", "mapped", "neighbour", "2"]


def test_the_oldest_peer_of_a_host_without_tokens_is_dropped_first() -> None:
    queue = make(address=Budget(1, 1.0))
    for number in range(3):
        queue.push("10.0.0.1", f"flood {number}")
    assert pop_all(queue) == ["flood 2"]
    queue.push("10.0.0.2", "honest")
    assert [queue.drop_oldest() for _ in range(4)] == ["flood 0", "flood 1", "honest", None]
    assert len(queue) == 0
    queue.push("10.0.0.1", "late")
    assert pop_all(queue) == []
    assert pop_all(queue, 1.0) == ["late"]


def test_the_number_of_stored_budgets_is_bounded() -> None:
    queue = make(address=Budget(1, 1e-9), total=Budget(1 << 20, 1.0))
    for number in range(5000):
        queue.push(f"10.{number >> 8}.{number & 255}.1", "peer")
    assert len(pop_all(queue)) == 5000
    assert len(queue._buckets) == 4096
