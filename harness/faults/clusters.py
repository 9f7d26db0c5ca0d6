"""Faults of the cluster's API, as its clients see them: the same on every kind of cluster.

Without the name of a client they strike every part of the platform, and neither the test nor the recorder.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import ClassVar

from harness.core.errors import ProductFailure, UsageError, suggestion
from harness.faults.fault import DAY, Fault, Lasting, Strikes, choice, number, seconds
from harness.faults.world import ApiFault, World

__all__ = [
    "CLIENTS",
    "ClockSkew",
    "Compaction",
    "LostAnswers",
    "LostEvents",
    "Outage",
    "Refusals",
    "Slow",
    "StaleReads",
    "WatchCut",
    "WatchDelay",
]

CLIENTS = ("Gateway", "ControllerManager", "DeviceController", "ApplicationController", "GatewayController")
"""The platform's clients, by their names in the record."""

WRITES = ("create", "replace", "patch", "patch_status", "delete")
CHANGES = ("replace", "patch", "patch_status")
CONFLICT = 409


def _clients(place: str) -> tuple[str, ...]:
    if place and place not in CLIENTS:
        do = f"{suggestion(place, CLIENTS)}the clients are {', '.join(CLIENTS)}"
        raise UsageError(f"the cluster has no client {place!r}", where="where", do=do)
    return (place,) if place else CLIENTS


@dataclass(frozen=True)
class _While(Lasting):
    """A fault that requests meet for a while."""

    strikes: ClassVar[Strikes] = Strikes.CLUSTER
    needs: ClassVar[frozenset[str]] = frozenset({"controllers-api-faults", "gateway-api-faults"})

    @abstractmethod
    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        """The fault of one client's requests."""

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        with ExitStack() as faults:
            met = {client: faults.enter_context(self.active(world, client)) for client in _clients(place)}
            begun()
            await world.clock.sleep(self.lasts)
        for client, fault in met.items():
            if fault.unpaused:
                from harness.invariants.invariant import party_of  # late: a run without stacks needs no judges

                what = f"{client} repeats {fault.unpaused} without a pause"
                raise ProductFailure(what, where=self.name, party=str(party_of(client)))


@dataclass(frozen=True)
class Outage(_While):
    """The API server cannot be reached. Sessions stay up; what happened meanwhile is written afterwards."""

    name: ClassVar[str] = "cluster.outage"

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        return world.api_faults.failing(client=client, code=None)


@dataclass(frozen=True)
class Refusals(_While):
    """Writes are refused with an HTTP ``code``, and are not done. They are done afterwards. A 409 is for changes only:
    for a new object it would say that there is one."""

    name: ClassVar[str] = "cluster.refusals"
    code: int = choice(503, 409, 429, 500)

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        verbs = CHANGES if self.code == CONFLICT else WRITES
        return world.api_faults.failing(*verbs, client=client, code=self.code)


@dataclass(frozen=True)
class LostAnswers(_While):
    """Writes are done, and their answers are lost: the connection ends, or the answer is 504. Nothing is done twice."""

    name: ClassVar[str] = "cluster.lost-answers"
    how: str = choice("cut", "504")

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        return world.api_faults.losing_answers(
            *WRITES, client=client, code=int(self.how) if self.how != "cut" else None
        )


@dataclass(frozen=True)
class Slow(_While):
    """Each request takes ``by`` seconds longer."""

    name: ClassVar[str] = "cluster.slow"
    by: float = seconds(1.0)

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        return world.api_faults.slowed(client=client, seconds=self.by)


@dataclass(frozen=True)
class WatchDelay(_While):
    """Watch events arrive late: none for a while, and then all, in their order."""

    name: ClassVar[str] = "cluster.watch-delay"

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        return world.api_faults.holding("event", client=client)


@dataclass(frozen=True)
class LostEvents(_While):
    """Watch events are lost while their watch stays open. At the end it ends with 410, and clients list everything
    again."""

    name: ClassVar[str] = "cluster.lost-events"

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        return world.api_faults.losing_events(client=client)


@dataclass(frozen=True)
class StaleReads(_While):
    """A client that reads an object or a list again gets what it got the first time. A change that it makes of such a
    read conflicts, and is made again afterwards."""

    name: ClassVar[str] = "cluster.stale-reads"

    def active(self, world: World, client: str) -> AbstractContextManager[ApiFault]:
        return world.api_faults.stale(client=client)


@dataclass(frozen=True)
class ClockSkew(Lasting):
    """The clock of a machine is ``by`` seconds ahead, or behind if it is negative: of the controllers
    (``where = "ControllerManager"``, the default), or of the gateways in this process (``Gateway``). Nobody compares it
    with another machine's."""

    name: ClassVar[str] = "cluster.clock-skew"
    strikes: ClassVar[Strikes] = Strikes.CLUSTER
    needs: ClassVar[frozenset[str]] = frozenset({"controllers-clock"})
    by: float = number(600.0, "in seconds", least=-DAY)

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        with world.clocks.skewed(place or "ControllerManager", self.by):
            begun()
            await world.clock.sleep(self.lasts)


@dataclass(frozen=True)
class WatchCut(Fault):
    """The watches that are open end before their next event, which comes with the next watch."""

    name: ClassVar[str] = "cluster.watch-cut"
    strikes: ClassVar[Strikes] = Strikes.CLUSTER
    needs: ClassVar[frozenset[str]] = frozenset({"controllers-api-faults", "gateway-api-faults"})
    code: ClassVar[int] = 0

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        for client in _clients(place):
            world.api_faults.break_watches(client=client, code=self.code)
        begun()


@dataclass(frozen=True)
class Compaction(WatchCut):
    """The server no longer has the versions that are watched from (410): clients list everything again."""

    name: ClassVar[str] = "cluster.compaction"
    code: ClassVar[int] = 410
