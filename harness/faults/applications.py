"""Faults of applications: one that misbehaves runs beside the others for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.boards import running
from harness.faults.fault import Lasting, Strikes
from harness.faults.world import World

__all__ = ["EndlessLoop", "Flood", "Growth", "Trap"]


@dataclass(frozen=True)
class _Misbehaves(Lasting):
    """An application that does so is deployed to the board, and deleted at the end. Others on the board go on."""

    strikes: ClassVar[Strikes] = Strikes.APPLICATION
    needs: ClassVar[frozenset[str]] = frozenset({"several-applications"})
    module: ClassVar[str]
    """Its name among the modules of the harness."""

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        application = await world.deploy(self.module, to=running(world, place))
        begun()
        await world.clock.sleep(self.lasts)
        await application.delete()


@dataclass(frozen=True)
class Trap(_Misbehaves):
    """It traps. It ends as Error, and nothing else does."""

    name: ClassVar[str] = "application.trap"
    module: ClassVar[str] = "trap"


@dataclass(frozen=True)
class EndlessLoop(_Misbehaves):
    """It never returns. It ends by its fuel or its time limit."""

    name: ClassVar[str] = "application.endless-loop"
    module: ClassVar[str] = "endless"


@dataclass(frozen=True)
class Growth(_Misbehaves):
    """It asks for ever more memory. It ends by its limit."""

    name: ClassVar[str] = "application.memory-growth"
    module: ClassVar[str] = "greedy"


@dataclass(frozen=True)
class Flood(_Misbehaves):
    """It publishes as much as it can, without end. What is too much is dropped, and other applications are heard."""

    name: ClassVar[str] = "application.flood"
    module: ClassVar[str] = "flood"
