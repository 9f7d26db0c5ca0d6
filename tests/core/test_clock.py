"""A clock's time, its timers and deadlines; a manual clock advances only on request."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.core.clock import ManualClock, SystemClock, time_to_wait
from harness.core.errors import UsageError


@pytest.mark.parametrize("within", [0, -1, float("inf"), float("nan"), "5s", None])
def test_an_invalid_time_limit_is_refused(within: Any) -> None:
    assert time_to_wait(0.5) == pytest.approx(0.5)
    with pytest.raises(UsageError, match="invalid time limit"):
        time_to_wait(within)


async def test_a_manual_clock_fires_timers_in_order_each_at_its_own_time() -> None:
    clock = ManualClock(start=100)
    fired: list[tuple[str, float]] = []
    clock.call_later(2, lambda: fired.append(("second", clock.now())))
    clock.call_later(1, lambda: fired.append(("first", clock.now())))
    clock.call_later(9, lambda: fired.append(("never", clock.now())))
    clock.call_later(1.5, lambda: fired.append(("cancelled", clock.now()))).cancel()
    await clock.advance(3)
    assert clock.now() == 103
    assert fired == [("first", 101), ("second", 102)]


async def test_tasks_that_a_timer_woke_run_before_time_advances_further() -> None:
    clock = ManualClock(start=0)
    seen: list[float] = []

    async def beat() -> None:
        while True:
            await clock.sleep(1)
            seen.append(clock.now())

    task = asyncio.create_task(beat())
    await clock.advance(3)
    task.cancel()
    await asyncio.wait([task])
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("kind", ["manual", "system"])
async def test_a_deadline_cancels_a_block_that_takes_too_long(kind: str) -> None:
    clock = ManualClock() if kind == "manual" else SystemClock()
    forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        async with clock.deadline(0.01):
            await forever

    task = asyncio.create_task(wait())
    if isinstance(clock, ManualClock):
        await clock.advance(1)
    with pytest.raises(TimeoutError):
        await task


async def test_a_deadline_that_is_met_leaves_no_timer() -> None:
    clock = ManualClock()
    async with clock.deadline(1):
        pass
    await clock.advance(10)


async def test_a_clock_cannot_go_back() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        await ManualClock().advance(-1)


def test_the_system_clock_has_the_wall_clocks_time() -> None:
    clock = SystemClock()
    before = clock.now()
    assert clock.now() >= before
    assert clock.utcnow().tzinfo is UTC
    assert clock.utcnow() > datetime(2025, 1, 1, tzinfo=UTC)
