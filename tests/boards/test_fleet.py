"""A fleet starts a bounded number of boards at a time, reports progress, and survives boards that fail."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from harness.boards.board import Board, Power
from harness.boards.console import Console
from harness.boards.fleet import Fleet
from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError


class Crowd:
    """Counts the boards that are busy at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.log: list[str] = []


class Dummy(Board):
    """A board whose methods take a moment. ``stubborn``: names of methods that fail."""

    kind: ClassVar[str] = "dummy"
    features: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, crowd: Crowd, *stubborn: str) -> None:
        self.name, self.console = name, Console(name, SystemClock())
        self._crowd, self._stubborn, self._power = crowd, stubborn, Power.OFF

    @property
    def power(self) -> Power:
        return self._power

    async def _do(self, what: str, power: Power) -> None:
        self._crowd.log.append(f"{what} {self.name}")
        self._crowd.now += 1
        self._crowd.most = max(self._crowd.most, self._crowd.now)
        for _ in range(3):
            await SystemClock().sleep(0)
        self._crowd.now -= 1
        if what in self._stubborn:
            raise RigError("the emulator died", do="look at its log")
        self._power = power

    async def power_on(self) -> None:
        await self._do("on", Power.ON)

    async def power_off(self) -> None:
        await self._do("off", Power.OFF)

    async def cut_power(self) -> None:
        await self._do("cut", Power.OFF)

    async def reset(self) -> None: ...
    async def cut_link(self) -> None: ...
    async def restore_link(self) -> None: ...


async def test_boards_go_on_a_bounded_number_at_a_time() -> None:
    crowd, reported = Crowd(), []
    fleet = Fleet(Dummy(f"b{number}", crowd) for number in range(20))
    await fleet.power_on(at_once=4, progress=lambda done, of: reported.append((done, of)))
    assert crowd.most == 4
    assert reported == [(done, 20) for done in range(1, 21)]
    assert len(fleet.powered) == len(fleet) == 20
    crowd.log.clear()
    fleet.add(Dummy("late", crowd))
    await fleet.power_on()
    assert crowd.log == ["on late"]
    await fleet.stop(at_once=3, progress=lambda done, of: reported.append((done, of)))
    assert (fleet.powered, reported[-1]) == ([], (21, 21))
    assert fleet["b3"].power is Power.OFF


async def test_boards_that_do_not_start_are_named_and_the_others_run() -> None:
    crowd = Crowd()
    fleet = Fleet(Dummy(f"b{number}", crowd, *(("on",) if number % 2 else ())) for number in range(20))
    with pytest.raises(RigError) as error:
        await fleet.power_on(at_once=5)
    words = str(error.value)
    assert "10 of 20 boards did not start: b1, b3, b5, b7, b9 and 5 more; the first: the emulator died" in words
    assert "look at its log" in words
    assert len(fleet.powered) == 10
    await fleet.stop()


async def test_a_single_board_that_does_not_start_raises_its_own_error() -> None:
    with pytest.raises(RigError, match=r"^the emulator died"):
        await Fleet([Dummy("b1", Crowd(), "on")]).power_on()


async def test_a_rolling_cycle_waits_until_each_is_back() -> None:
    crowd = Crowd()
    fleet = Fleet(Dummy(f"b{number}", crowd) for number in range(3))
    await fleet.power_on()
    crowd.log.clear()

    async def back(board: Board) -> None:
        crowd.log.append(f"back {board.name}")

    await fleet.cycle(back=back)
    assert crowd.log == [f"{what} b{number}" for number in range(3) for what in ("cut", "on", "back")]
    assert len(fleet.powered) == 3

    async def lost(board: Board) -> None:
        raise ProductFailure(f"{board.name} did not come back")

    with pytest.raises(ProductFailure, match="b0 did not come back"):
        await fleet.cycle(back=lost)
    await fleet.cycle(at_once=3)
    assert crowd.most <= 3


async def test_a_board_that_does_not_go_off_in_order_loses_its_power() -> None:
    crowd = Crowd()
    fleet = Fleet([Dummy("a", crowd, "off"), Dummy("b", crowd), Dummy("c", crowd, "off", "cut")])
    await fleet.power_on()
    with pytest.raises(RigError, match="1 of 3 boards could not be switched off: c"):
        await fleet.stop()
    assert [board.power for board in fleet] == [Power.OFF, Power.OFF, Power.ON]


async def test_a_fleet_is_off_after_its_block_whatever_happens() -> None:
    crowd = Crowd()
    fleet = Fleet([Dummy("a", crowd), Dummy("b", crowd)])

    async def block(boards: Fleet) -> None:
        async with boards.running(at_once=1) as running:
            assert len(running.powered) == 2
            raise ProductFailure("wrong")

    with pytest.raises(ProductFailure, match="wrong"):
        await block(fleet)
    assert not fleet.powered
    crippled = Fleet([Dummy("c", crowd), Dummy("d", crowd, "on")])
    with pytest.raises(RigError, match="did not start: d"):
        await block(crippled)
    assert not crippled.powered
    with pytest.raises(ValueError, match="at least 1"):
        await fleet.power_on(at_once=0)
    await Fleet().power_on()


async def test_cancelling_ends_the_work() -> None:
    crowd = Crowd()
    fleet = Fleet(Dummy(f"b{number}", crowd) for number in range(100))
    work = asyncio.create_task(fleet.power_on(at_once=2))
    await SystemClock().sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert len(fleet.powered) < 100
