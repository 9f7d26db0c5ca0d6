"""The order of compilations among users."""

from __future__ import annotations

import asyncio

import pytest

from harness.wasmbed.compile.turns import QueueFull, Turns


async def begin(turns: Turns, user: str, order: list[str], finish: asyncio.Event) -> asyncio.Task[None]:
    """Begin a job that has its turn until ``finish``; returns when it has or waits for its turn."""

    async def job() -> None:
        async with turns.turn(user):
            order.append(user)
            await finish.wait()

    task = asyncio.create_task(job())
    await one_turn_of_the_loop()
    return task


async def one_turn_of_the_loop() -> None:
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


async def test_users_take_turns_however_many_jobs_one_of_them_has() -> None:
    turns, order, finish = Turns(1, 10, 10), list[str](), asyncio.Event()
    jobs = [await begin(turns, user, order, finish) for user in ("a", "a", "a", "b", "c", "b")]
    finish.set()
    await asyncio.gather(*jobs)
    assert order == ["a", "a", "b", "c", "a", "b"]


async def test_as_many_jobs_run_at_a_time_as_there_are_places() -> None:
    turns, order, finish = Turns(2, 10, 10), list[str](), asyncio.Event()
    jobs = [await begin(turns, user, order, finish) for user in "abc"]
    assert (order, turns.waiting) == (["a", "b"], 1)
    finish.set()
    await asyncio.gather(*jobs)
    assert (order, turns.waiting) == (["a", "b", "c"], 0)


async def test_a_full_queue_refuses_and_says_whose_jobs_fill_it() -> None:
    turns, order, finish = Turns(1, 3, 2), list[str](), asyncio.Event()
    jobs = [await begin(turns, user, order, finish) for user in ("a", "a", "a", "b")]
    with pytest.raises(QueueFull, match="2 compilations of a wait already") as own:
        async with turns.turn("a"):
            pass
    with pytest.raises(QueueFull, match="3 compilations wait already") as others:
        async with turns.turn("c"):
            pass
    assert (own.value.own, others.value.own) == (True, False)
    finish.set()
    await asyncio.gather(*jobs)


async def test_a_job_that_no_longer_waits_gives_its_place_to_the_next() -> None:
    turns, order, finish = Turns(1, 10, 10), list[str](), asyncio.Event()
    first, second, third = [await begin(turns, user, order, finish) for user in "abc"]
    second.cancel()
    await asyncio.wait([second])
    assert turns.waiting == 1
    first.cancel()  # c has its turn now, and is cancelled before it notices
    await one_turn_of_the_loop()
    third.cancel()
    await asyncio.wait([first, third])
    async with asyncio.timeout(5), turns.turn("d"):
        assert turns.waiting == 0


async def test_a_job_that_is_cancelled_as_its_turn_ends_beside_one_that_waits_fails_nothing() -> None:
    turns, order, never = Turns(1, 10, 10), list[str](), asyncio.Event()
    jobs = [await begin(turns, user, order, never) for user in "ab"]
    for job in jobs:
        job.cancel()
    ended = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(each) for each in ended] == [asyncio.CancelledError] * 2
    async with turns.turn("c"):
        pass
