"""Faults of certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.boards import running
from harness.faults.fault import Fault, Lasting, Strikes
from harness.faults.gateways import running_gateway
from harness.faults.world import World

__all__ = ["Expired", "Renewed", "Revoked"]


@dataclass(frozen=True)
class Revoked(Fault):
    """The board's certificate is revoked now. Its session ends, and it is refused from then on."""

    name: ClassVar[str] = "certificate.revoked"
    strikes: ClassVar[Strikes] = Strikes.CERTIFICATE

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        begun()
        await world.pki.revoke(world.boards.credentials(board))


@dataclass(frozen=True)
class Renewed(Fault):
    """The gateway of that name presents new certificates from now on. Present sessions go on, and boards accept it."""

    name: ClassVar[str] = "certificate.renewed"
    strikes: ClassVar[Strikes] = Strikes.GATEWAY
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-reload"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        await running_gateway(world, place).reload()
        begun()


@dataclass(frozen=True)
class Expired(Lasting):
    """The gateway's certificates have expired, until it gets new ones. Sessions go on; boards that know the date refuse
    to connect, and connect afterwards. Where links pass the relay, boards see its certificate."""

    name: ClassVar[str] = "certificate.expired"
    strikes: ClassVar[Strikes] = Strikes.GATEWAY
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-reload", "dates"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        gateway = running_gateway(world, place)
        await gateway.reload(valid_for=-1.0)
        begun()
        await world.clock.sleep(self.lasts)
        if gateway.running:
            await gateway.reload()
