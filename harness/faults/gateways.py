"""Faults of gateways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.core.errors import RigError, UsageError
from harness.faults.fault import Fault, Lasting, Strikes, seconds
from harness.faults.world import Gateway, World

__all__ = ["Crash", "Freeze", "Restart", "Slow", "running_gateway"]

INSTANT = 0.01
"""Seconds in which a slow gateway does what has arrived."""
_STARTS, _START_AGAIN = 60, 1.0
"""How often a gateway is started at most, and the seconds between."""


def running_gateway(world: World, place: str) -> Gateway:
    """The gateway of that name, or the first one. Raises UsageError if there is none, or it is not running."""
    known = {gateway.name: gateway for gateway in world.gateways}
    gateway = known.get(place) if place else next(iter(world.gateways), None)
    if gateway is None:
        do = f"the gateways are: {', '.join(known) or 'none'}"
        raise UsageError(f"there is no gateway {place!r}", where="where", do=do)
    if not gateway.running:
        raise UsageError(f"the gateway {gateway.name} is not running", where="where", do="let it begin while it runs")
    return gateway


async def _start(gateway: Gateway, world: World) -> None:
    """Start it as a supervisor does: again and again, since the cluster may have a fault of its own."""
    for tried in range(_STARTS):
        if gateway.running:
            return
        try:
            await gateway.start()
        except RigError:
            if tried == _STARTS - 1:
                raise
            await world.clock.sleep(_START_AGAIN)


@dataclass(frozen=True)
class Crash(Lasting):
    """The gateway's process ends without a word, and starts again. Boards connect again; what it had acknowledged is
    on record, or is done again."""

    name: ClassVar[str] = "gateway.crash"
    strikes: ClassVar[Strikes] = Strikes.GATEWAY
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-kill"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        gateway = running_gateway(world, place)
        await gateway.kill()
        begun()
        await world.clock.sleep(self.lasts)
        await _start(gateway, world)


@dataclass(frozen=True)
class Restart(Fault):
    """The gateway is restarted in order: it tells its devices when to come back, and writes what is pending."""

    name: ClassVar[str] = "gateway.restart"
    strikes: ClassVar[Strikes] = Strikes.GATEWAY
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-stop"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        gateway = running_gateway(world, place)
        begun()
        try:
            await gateway.restart()
        except RigError:  # the cluster has a fault, too
            await world.clock.sleep(_START_AGAIN)
            await _start(gateway, world)


@dataclass(frozen=True)
class Freeze(Lasting):
    """The gateway's processor stands still, and goes on where it was. Its connections stay open: boards give it up if
    they miss answers, and connect again afterwards."""

    name: ClassVar[str] = "gateway.freeze"
    strikes: ClassVar[Strikes] = Strikes.GATEWAY
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-pause"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        gateway = running_gateway(world, place)
        await gateway.pause()
        begun()
        await world.clock.sleep(self.lasts)
        await gateway.resume()


@dataclass(frozen=True)
class Slow(Lasting):
    """The gateway gets the processor for an instant once in ``by`` seconds: each of its answers is late by up to that.
    What is in time goes on."""

    name: ClassVar[str] = "gateway.slow"
    strikes: ClassVar[Strikes] = Strikes.GATEWAY
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-pause"})
    by: float = seconds(0.5)

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        gateway = running_gateway(world, place)
        end = world.clock.now() + self.lasts
        await gateway.pause()
        begun()
        await world.clock.sleep(self.by)
        await gateway.resume()
        while world.clock.now() < end:
            await world.clock.sleep(INSTANT)
            if not gateway.running:
                return
            await gateway.pause()
            await world.clock.sleep(self.by)
            await gateway.resume()
