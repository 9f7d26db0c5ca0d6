"""Work in progress is bounded by the amount that finishes in time; the longest waiter is next."""

from __future__ import annotations

import asyncio

from harness.core.loop import give_way
from harness.core.places import Places


async def test_waiters_get_places_in_the_order_of_arrival() -> None:
    places, begun, relieved = Places(2), [], []
    places.on_relief(lambda: relieved.append(tuple(begun)))

    async def work(number: int) -> None:
        await places.take()
        begun.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await give_way()
    assert (begun, places.is_full) == ([0, 1], True)
    for _ in range(3):
        places.give_back(0, in_time=True)
        await give_way()
    await asyncio.gather(*tasks)
    assert (begun, places.is_full, relieved) == ([0, 1, 2, 3, 4], False, [(0, 1, 2, 3)])


async def test_the_place_of_a_cancelled_waiter_goes_to_the_next_one() -> None:
    places = Places(1)
    first = await places.take()
    gone, early, patient = [asyncio.create_task(places.take()) for _ in range(3)]
    await give_way()
    early.cancel()
    await give_way()
    places.give_back(first, in_time=True)  # goes to the task that is cancelled at the same moment
    gone.cancel()
    await asyncio.wait([gone, early, patient], timeout=20)
    assert (gone.cancelled(), early.cancelled(), patient.exception(), places.is_full) == (True, True, None, False)
    places.give_back(patient.result(), in_time=True)
    await places.take()


async def test_the_number_of_places_follows_the_work_that_finishes_in_time() -> None:
    places = Places(64)
    assert places.limit == 16
    slow = [await places.take() for _ in range(16)]
    for taken in slow:
        places.give_back(taken, in_time=False)
    assert places.limit == 8, "work in progress together counts once"
    for _ in range(5):
        places.give_back(await places.take(), in_time=False)
    assert places.limit == 8, "there is a minimum"
    for _ in range(9):
        places.give_back(await places.take(), in_time=True)
    assert places.limit == 9
    for _ in range(5000):
        places.give_back(await places.take(), in_time=True)
    assert places.limit == 64
