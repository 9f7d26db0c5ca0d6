"""Faults of certificates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from harness.boards.board import Board
from harness.core.errors import UsageError
from harness.faults.boards import running
from harness.faults.fault import Fault, Lasting, Strikes
from harness.faults.gateways import running_gateway
from harness.faults.world import Gateway, World

__all__ = ["AuthorityRotated", "DeviceExpired", "Expired", "Renewed", "Revoked"]


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
class _Refused(Lasting):
    """The gateway presents certificates that boards do not accept, until it gets new ones."""

    strikes: ClassVar[Strikes] = Strikes.GATEWAY

    @abstractmethod
    async def spoil(self, gateway: Gateway) -> None:
        """Give the gateway such certificates."""

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        gateway = running_gateway(world, place)
        await self.spoil(gateway)
        begun()
        await world.clock.sleep(self.lasts)
        if gateway.running:
            await gateway.reload()


@dataclass(frozen=True)
class Expired(_Refused):
    """The gateway's certificates have expired, until it gets new ones. Sessions go on; boards that know the date refuse
    to connect, and connect afterwards. Where links pass the relay, boards see its certificate."""

    name: ClassVar[str] = "certificate.expired"
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-reload", "dates"})

    async def spoil(self, gateway: Gateway) -> None:
        await gateway.reload(valid_for=-1.0)


@dataclass(frozen=True)
class AuthorityRotated(_Refused):
    """The gateway has certificates of a new authority, which boards do not know, until it gets others. Sessions go on;
    boards refuse to connect, and connect afterwards. Where links pass the relay, boards see its certificate."""

    name: ClassVar[str] = "certificate.authority-rotated"
    needs: ClassVar[frozenset[str]] = frozenset({"gateway-reload"})

    async def spoil(self, gateway: Gateway) -> None:
        await gateway.reload(rotated=True)


@dataclass(frozen=True)
class DeviceExpired(Lasting):
    """The board comes back from a loss of power with a certificate that has expired. It is refused until its power is
    cut again and it gets another one of the same key."""

    name: ClassVar[str] = "certificate.device-expired"
    strikes: ClassVar[Strikes] = Strikes.CERTIFICATE
    needs: ClassVar[frozenset[str]] = frozenset({"provision"})

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        if world.boards.credentials(board).certificate is None:
            raise UsageError(f"the board {board.name} got its certificate by request", where="where", do="name another")
        if world.pki.is_revoked(world.boards.credentials(board)):
            raise UsageError(f"the certificate of {board.name} is revoked", where="where", do="name another board")
        await self._give(world, board, -1.0)
        begun()
        await world.clock.sleep(self.lasts)
        if not world.pki.is_revoked(world.boards.credentials(board)):
            await self._give(world, board, None)

    @staticmethod
    async def _give(world: World, board: Board, valid_for: float | None) -> None:
        name, known = world.boards.device_of(board), world.boards.credentials(board)
        await board.cut_power()
        world.boards.provision(board, world.pki.reissue(name, known, valid_for=valid_for))
        await board.power_on()
