"""Work under way is bounded, and the oldest that waits is next."""

from __future__ import annotations

import asyncio

from harness.core.loop import give_way
from harness.core.places import Places


def test_places_go_to_those_who_wait_in_the_order_of_arrival() -> None:
    async def main() -> None:
        places, begun, relieved = Places(2), [], []
        places.on_relief(lambda: relieved.append(tuple(begun)))

        async def work(number: int) -> None:
            await places.take()
            begun.append(number)

        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await give_way()
        assert (begun, places.is_full) == ([0, 1], True)
        for _ in range(3):
            places.give_back()
            await give_way()
            await give_way()
        await asyncio.gather(*tasks)
        assert (begun, places.is_full, relieved) == ([0, 1, 2, 3, 4], False, [(0, 1, 2, 3)])

    asyncio.run(main())


def test_a_place_that_is_not_waited_for_any_more_is_the_next_ones() -> None:
    async def main() -> None:
        places = Places(1)
        await places.take()
        gone, patient = [asyncio.create_task(places.take()) for _ in range(2)]
        await give_way()
        gone.cancel()
        places.give_back()
        await asyncio.wait([gone, patient])
        assert (gone.cancelled(), patient.exception(), places.is_full) == (True, None, False)
        places.give_back()
        await places.take()

    asyncio.run(main())
