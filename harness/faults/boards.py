"""Faults of boards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.boards.board import Board, Power
from harness.core.errors import UsageError
from harness.faults.fault import Fault, Lasting, Strikes, seconds, whole
from harness.faults.world import World

__all__ = ["BrownOut", "Hang", "PowerCut", "RebootLoop", "Reset"]


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
        for number in range(self.times):
            if number:
                await world.clock.sleep(self.every)
            await board.reset()
            if not number:
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
