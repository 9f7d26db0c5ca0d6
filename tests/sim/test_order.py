"""The order of what is ready at the same time is a choice of the seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from harness.core.errors import UsageError
from harness.core.loop import give_way
from harness.sim import Simulation
from harness.sim.order import ScheduleOrder
from harness.stack.hosted import HostedStack
from harness.stack.options import ORDERS, StackOptions


def arrivals(order: str, seed: int) -> str:
    """The order in which five tasks take their two steps."""
    steps: list[str] = []

    async def task(name: str) -> None:
        for _ in range(2):
            steps.append(name)
            await give_way()

    async def body() -> None:
        await asyncio.gather(*(task(name) for name in "abcde"))

    with Simulation(order, seed).new_runner() as runner:
        runner.run(body())
    return "".join(steps)


def test_fifo_is_asyncios_order() -> None:
    assert {arrivals(ScheduleOrder.FIFO, seed) for seed in range(5)} == {"abcdeabcde"}


@pytest.mark.parametrize("order", [ScheduleOrder.RANDOM, ScheduleOrder.PCT])
def test_the_seed_chooses_the_order(order: str) -> None:
    """Each seed has its own order, always the same one; a task's own steps stay in their order."""
    found = [arrivals(order, seed) for seed in range(20)]
    assert found == [arrivals(order, seed) for seed in range(20)]
    assert len(set(found)) > 15
    assert all(sorted(each) == sorted("aabbccddee") for each in found)


def finds(order: str, race: Callable[[], object]) -> int:
    """In how many of 40 seeds a race shows itself."""
    found = 0
    for seed in range(40):
        with Simulation(order, seed).new_runner() as runner:
            found += bool(runner.run(race()))  # type: ignore[arg-type]
    return found


async def a_reader_is_early() -> bool:
    """The second of three tasks fills what the third one reads: right as long as they run in turn."""
    filled: list[int] = []
    early: list[bool] = []

    async def other() -> None:
        await give_way()

    async def fill() -> None:
        await give_way()
        filled.append(1)

    async def read() -> None:
        await give_way()
        early.append(not filled)

    await asyncio.gather(other(), fill(), read())
    return early[0]


def test_another_order_shows_a_race() -> None:
    assert finds(ScheduleOrder.FIFO, a_reader_is_early) == 0
    assert finds(ScheduleOrder.RANDOM, a_reader_is_early) > 5
    assert finds(ScheduleOrder.PCT, a_reader_is_early) > 5


@pytest.mark.parametrize("order", ScheduleOrder)
def test_callbacks_stay_in_their_order(order: str) -> None:
    """asyncio promises it, and transports need it; a task does not pass a callback that was there before."""
    seen: list[object] = []

    async def task(name: str) -> None:
        seen.append(name)

    async def body() -> None:
        loop = asyncio.get_running_loop()
        tasks = []
        for number in range(5):
            loop.call_soon(seen.append, number)
            tasks.append(asyncio.create_task(task(str(number))))
        await asyncio.gather(*tasks)

    with Simulation(order, 3).new_runner() as runner:
        runner.run(body())
    assert seen == [0, "0", 1, "1", 2, "2", 3, "3", 4, "4"]


def test_only_a_simulation_has_an_order() -> None:
    assert tuple(ScheduleOrder) == ORDERS
    with (
        pytest.raises(UsageError, match="is for --boards=sim") as caught,
        HostedStack.opened(StackOptions(schedule_order="pct"), None),
    ):
        pass
    assert caught.value.where == "--schedule-order"
