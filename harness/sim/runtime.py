"""Executes modules without threads: how long a call takes follows from the fuel that it uses.

A virtual board ends a call that runs too long from another thread, by the machine's time. Here the call gets the fuel
that its time allows, is done at once, and then its time passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import wasmtime

from harness.boards.virtual.host import HostInterface
from harness.boards.virtual.runtime import Worker
from harness.core.clock import Clock

__all__ = ["FUEL_PER_SECOND", "SimulatedWorker"]

T = TypeVar("T")

FUEL_PER_SECOND = 100_000_000
"""The speed of a simulated board, of about one instruction for each unit."""


_OVER_TIME = "the call used all fuel of its time"


class SimulatedWorker(Worker):
    """A worker on the event loop. Boards do not wait for each other's calls: each has a processor of its own."""

    async def call(
        self,
        job: Callable[[], T],
        host: HostInterface,
        store: wasmtime.Store,
        *,
        fuel: int,
        seconds: float,
        clock: Clock,
    ) -> T:
        allowed = min(fuel, int(seconds * FUEL_PER_SECOND))
        store.set_fuel(allowed)
        store.set_epoch_deadline(1)
        self._running = (host, store)
        used = 0
        try:
            result = job()
            left = store.get_fuel()
            used = (allowed if left <= allowed else fuel) - left  # the job of a deployment sets its fuel itself
            return result
        except wasmtime.Trap as trap:
            if trap.trap_code is wasmtime.TrapCode.OUT_OF_FUEL:
                used = allowed
                if allowed < fuel:
                    trap.add_note(_OVER_TIME)
            raise
        finally:
            self._running = None
            store.set_fuel(fuel - used)
            await clock.sleep(used / FUEL_PER_SECOND)

    def is_over_time(self, trap: wasmtime.Trap) -> bool:
        return _OVER_TIME in getattr(trap, "__notes__", ())
