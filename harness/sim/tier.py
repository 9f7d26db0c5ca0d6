"""The tiers of simulated boards: virtual and native boards in a stack whose time is virtual."""

from __future__ import annotations

from typing import ClassVar

from harness.boards.board import About, Board, BoardEnvironment, BoardSettings
from harness.boards.native import NativeTier
from harness.boards.native.board import NativeBoard
from harness.boards.virtual import VirtualBoard, VirtualTier
from harness.boards.virtual.runtime import Runtime
from harness.core.errors import UsageError
from harness.sim.network import SimulatedNetwork
from harness.sim.runtime import SimulatedWorker

__all__ = ["SimNativeTier", "SimTier", "SimulatedBoard", "SimulatedNativeBoard"]

ONE_PROCESS = "talk to other programs: a gateway or cluster in another process, a tool, a browser"


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
            (ONE_PROCESS,),
        )

    def _make_runtime(self) -> Runtime:
        return Runtime(1, SimulatedWorker)

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        _require_simulation(settings, environment)
        return super().make(kind, settings, environment)


class SimulatedNativeBoard(NativeBoard):
    """A native board that only a simulation can have."""

    KIND: ClassVar[str] = "sim-native"
    BUSY: ClassVar[float] = 0.001  # the unit of its time


class SimNativeTier(NativeTier):
    """Boards for ``--boards=sim-native``: the firmware's own code in a simulated stack."""

    name: ClassVar[str] = "sim-native"
    board: ClassVar[type[NativeBoard]] = SimulatedNativeBoard

    def about(self, kind: str) -> About:
        known = super().about(kind)
        summary = "the firmware's own code in virtual time: the whole stack is one deterministic event loop"
        return About(summary, (*known.cannot, ONE_PROCESS), known.unavailable)

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        _require_simulation(settings, environment)
        return super().make(kind, settings, environment)


def _require_simulation(settings: BoardSettings, environment: BoardEnvironment) -> None:
    if not isinstance(environment.network, SimulatedNetwork):
        raise UsageError(
            "a simulated board needs a simulated stack",
            where=settings.name,
            do="give the run --boards=sim or --boards=sim-native",
        )
