"""Faults of boards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.boards.board import Board, Power
from harness.core.errors import UsageError
from harness.faults.fault import DAY, Fault, Lasting, NothingStruck, Strikes, number, seconds, whole
from harness.faults.world import World

__all__ = [
    "BrownOut",
    "ClockDrift",
    "ClockJump",
    "FlashWorn",
    "Hang",
    "MemoryExhausted",
    "PowerCut",
    "RebootLoop",
    "Reset",
    "TornWrite",
]


def running(world: World, place: str) -> Board:
    """The board of that name. Raises UsageError if there is none, or it is off."""
    if not place:
        raise UsageError("there is no board yet", where="where", do="let it begin later")
    board = world.boards[place]
    if board.power is Power.OFF:
        raise UsageError(f"the board {place} is off", where="where", do="let it begin while the board is on")
    return board


@dataclass(frozen=True)
class PowerCut(Lasting):
    """The board has no power for a while. It comes back and enrolls or connects again; applications start anew."""

    name: ClassVar[str] = "board.power-cut"
    strikes: ClassVar[Strikes] = Strikes.BOARD

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        await board.cut_power()
        begun()
        await world.clock.sleep(self.lasts)
        await board.power_on()


@dataclass(frozen=True)
class BrownOut(PowerCut):
    """The power dips, long enough for the board to start anew; in the middle of a transfer, it is sent again."""

    name: ClassVar[str] = "board.brown-out"
    lasts: float = seconds(0.05)


@dataclass(frozen=True)
class Reset(Fault):
    """The firmware restarts. Flash keeps its contents; the board connects again."""

    name: ClassVar[str] = "board.reset"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"reset"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        await running(world, place).reset()
        begun()


@dataclass(frozen=True)
class RebootLoop(Fault):
    """The firmware restarts again and again. After the last time the board connects."""

    name: ClassVar[str] = "board.reboot-loop"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"reset"})
    times: int = whole(5, "as a number of restarts")
    every: float = seconds(1.0)

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        for done in range(self.times):
            if done:
                await world.clock.sleep(self.every)
            await board.reset()
            if not done:
                begun()


@dataclass(frozen=True)
class Hang(Lasting):
    """The processor stands still, and goes on where it was. The gateway ends the session if it misses heartbeats."""

    name: ClassVar[str] = "board.hang"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"pause"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        await board.pause()
        begun()
        await world.clock.sleep(self.lasts)
        await board.resume()


@dataclass(frozen=True)
class ClockDrift(Lasting):
    """The board's clock runs ``rate`` times as fast: its heartbeats come too early or too late. The gateway measures by
    its own clock, and ends the session if it misses heartbeats."""

    name: ClassVar[str] = "board.clock-drift"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"clock-faults"})
    rate: float = number(1.1, "as a factor", most=100.0)

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        await board.disturb_clock(rate=self.rate)
        begun()
        await world.clock.sleep(self.lasts)
        await board.disturb_clock()


@dataclass(frozen=True)
class ClockJump(Fault):
    """The board's clock jumps ahead by ``by`` seconds: its heartbeats have a wrong time, and it may take certificates
    for expired. Firmware with one clock for everything also does at once what it would do in that time."""

    name: ClassVar[str] = "board.clock-jump"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"clock-faults"})
    by: float = number(3600.0, "in seconds", most=3650 * DAY)

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        await running(world, place).disturb_clock(ahead=self.by)
        begun()


@dataclass(frozen=True)
class MemoryExhausted(Lasting):
    """The board has no memory for another application. A deployment fails as NOT_ENOUGH_MEMORY; what runs goes on."""

    name: ClassVar[str] = "board.memory-exhausted"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"memory-faults"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        await board.exhaust_memory()
        begun()
        await world.clock.sleep(self.lasts)
        await board.release_memory()


@dataclass(frozen=True)
class FlashWorn(Lasting):
    """The board's flash refuses each write. A board that pairs keeps its certificate until its power is cut, and needs
    another pairing token then."""

    name: ClassVar[str] = "board.flash-worn"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"flash-faults"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        await board.wear_flash()
        begun()
        await world.clock.sleep(self.lasts)
        await board.renew_flash()


@dataclass(frozen=True)
class TornWrite(Lasting):
    """The power goes in the middle of the next write to the board's flash, and comes back after a second. The board
    does not take half a record for one. Without a write in ``lasts`` seconds it did not apply."""

    name: ClassVar[str] = "board.torn-write"
    strikes: ClassVar[Strikes] = Strikes.BOARD
    needs: ClassVar[frozenset[str]] = frozenset({"flash-faults"})
    lasts: float = seconds(60.0)

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        begun()
        try:
            async with world.clock.deadline(self.lasts):
                await board.tear_write()
        except TimeoutError as error:
            what = f"the board {place} wrote nothing to its flash in {self.lasts:g} s"
            raise NothingStruck(what, where=self.name, do="let it begin before a board stores something") from error
        await board.cut_power()
        await world.clock.sleep(1.0)
        await board.power_on()
