"""The tier of simulated boards: virtual boards in a stack whose time is virtual."""

from __future__ import annotations

from typing import ClassVar

from harness.boards.board import About, Board, BoardEnvironment, BoardSettings
from harness.boards.virtual import VirtualBoard, VirtualTier
from harness.boards.virtual.runtime import Runtime
from harness.core.errors import UsageError
from harness.sim.network import SimulatedNetwork
from harness.sim.runtime import SimulatedWorker

__all__ = ["SimTier", "SimulatedBoard"]


class SimulatedBoard(VirtualBoard):
    """A virtual board that only a simulation can have."""

    kind = "sim"


class SimTier(VirtualTier):
    """Boards for ``--boards=sim``, with which the whole stack is simulated."""

    name: ClassVar[str] = "sim"
    board: ClassVar[type[VirtualBoard]] = SimulatedBoard

    def about(self, kind: str) -> About:
        return About(
            "a virtual board in virtual time: the whole stack is one deterministic event loop",
            ("talk to other programs: a gateway or cluster in another process, a tool, a browser",),
        )

    def _make_runtime(self) -> Runtime:
        return Runtime(1, SimulatedWorker)

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        if not isinstance(environment.network, SimulatedNetwork):
            raise UsageError(
                "a simulated board needs a simulated stack", where=settings.name, do="give the run --boards=sim"
            )
        return super().make(kind, settings, environment)
