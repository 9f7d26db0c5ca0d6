"""The event loop, clock, and network of one simulation, which a stack takes instead of the machine's."""

from __future__ import annotations

import asyncio

from harness.core.identifiers import Randomness
from harness.sim.loop import SimulatedLoop
from harness.sim.network import SimulatedNetwork
from harness.sim.order import ScheduleOrder, order_of
from harness.sim.simulated_time import SimulatedClock, SimulatedTime
from harness.sim.sockets import SimulatedSockets

__all__ = ["Simulation"]


class Simulation:
    """One simulation, from time zero. ``clock`` and ``network`` work on the loop of :meth:`new_runner` only.

    ``order`` is a :class:`~harness.sim.order.ScheduleOrder`, whose choices follow from ``seed``. With ``plain``, TLS
    does not protect its data (see :mod:`harness.sim.plain_link`)."""

    def __init__(self, order: str = ScheduleOrder.FIFO, seed: int = 0, *, plain: bool = False) -> None:
        self._plain = plain
        self._order = order_of(order, Randomness(seed).fork("order"))
        self._time, self._sockets = SimulatedTime(), SimulatedSockets()
        self.clock = SimulatedClock(self._time)
        self.network = SimulatedNetwork(self._sockets)

    @property
    def seconds(self) -> float:
        """The virtual seconds since its start."""
        return self._time.seconds

    @property
    def open_sockets(self) -> int:
        """The number of its sockets that are open."""
        return len(self._sockets)

    def new_runner(self) -> asyncio.Runner:
        """A runner with an event loop in this simulation's time."""
        return asyncio.Runner(
            loop_factory=lambda: SimulatedLoop(self._time, self._sockets, self._order, plain=self._plain)
        )
