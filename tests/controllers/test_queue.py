from __future__ import annotations

import asyncio

import pytest

from harness.core.backoff import Backoff
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.queue import Closed, WorkQueue


class Bench:
    """A queue, its clock, and a worker that only notes what it gets."""

    def __init__(self, **options):
        self.clock = ManualClock(start=0.0)
        self.queue = WorkQueue(self.clock, Randomness(1), **options)
        self.got = []

    async def take_all(self):
        while len(self.queue):
            key = await self.queue.get()
            self.got.append(key)
            self.queue.done(key)

    async def after(self, seconds):
        await self.clock.advance(seconds)
        await self.take_all()
        return self.got


async def test_a_waiting_key_is_queued_once() -> None:
    bench = Bench()
    for key in ("a", "b", "a", "a"):
        bench.queue.add(key)
    await bench.take_all()
    assert bench.got == ["a", "b"]


async def test_a_key_in_work_comes_again_afterwards_and_not_before() -> None:
    bench = Bench()
    bench.queue.add("a")
    assert await bench.queue.get() == "a"
    bench.queue.add("a")
    bench.queue.add("a")
    assert len(bench.queue) == 0
    bench.queue.done("a")
    await bench.take_all()
    assert bench.got == ["a"]


async def test_of_two_wishes_for_later_the_earlier_counts() -> None:
    bench = Bench()
    bench.queue.add_after("a", 10)
    bench.queue.add_after("a", 5)
    bench.queue.add_after("a", 20)
    assert await bench.after(4.9) == []
    assert await bench.after(0.1) == ["a"]
    assert await bench.after(100) == ["a"]


async def test_failed_keys_are_queued_with_growing_delays_until_a_success() -> None:
    bench = Bench(backoff=Backoff(first=1.0, longest=8.0))
    waits = []
    for _ in range(6):
        bench.queue.add_rate_limited("a")
        start = bench.clock.now()
        while not bench.got:
            await bench.after(0.05)
        waits.append(bench.clock.now() - start)
        bench.got.clear()
    for wait, nominal in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert nominal * 0.5 <= wait <= nominal * 1.5 + 0.1
    bench.queue.forget("a")
    bench.queue.add_rate_limited("a")
    assert await bench.after(1.6) == ["a"]


async def test_a_key_rests_between_two_reconciliations_but_not_before_the_first() -> None:
    bench = Bench(rest=1.0)
    bench.queue.add("a")
    assert await bench.after(0) == ["a"]
    bench.queue.add("a")
    bench.queue.add("b")
    assert await bench.after(0.9) == ["a", "b"]
    assert await bench.after(0.1) == ["a", "b", "a"]
    assert await bench.after(10) == ["a", "b", "a"]


async def test_workers_share_the_keys() -> None:
    bench = Bench()
    workers = [asyncio.create_task(bench.queue.get()) for _ in range(3)]
    await bench.clock.advance(0)
    for key in ("a", "b", "c"):
        bench.queue.add(key)
    assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]


async def test_a_worker_that_is_cancelled_while_it_is_woken_wakes_another() -> None:
    bench = Bench()
    first, second = (asyncio.create_task(bench.queue.get()) for _ in range(2))
    await bench.clock.advance(0)
    bench.queue.add("a")
    first.cancel()
    assert await second == "a"
    assert first.cancelled()


async def test_a_closed_queue_hands_out_nothing() -> None:
    bench = Bench(rest=1.0)
    waiting = asyncio.create_task(bench.queue.get())
    await bench.clock.advance(0)
    bench.queue.add_after("a", 1)
    bench.queue.close()
    bench.queue.add("b")
    bench.queue.add_after("c", 1)
    with pytest.raises(Closed):
        await waiting
    with pytest.raises(Closed):
        await bench.queue.get()
    assert await bench.after(5) == []


async def test_present_work_may_end_after_the_queue_was_closed() -> None:
    bench = Bench(rest=1.0)
    bench.queue.add("a")
    bench.queue.add("b")
    key = await bench.queue.get()
    bench.queue.close()
    bench.queue.done(key)
    with pytest.raises(Closed):
        await bench.queue.get()
