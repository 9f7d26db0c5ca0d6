"""Faults of certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.boards import running
from harness.faults.fault import Fault, Strikes
from harness.faults.gateways import running_gateway
from harness.faults.world import World

__all__ = ["Renewed", "Revoked"]


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
