"""Faults of links."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.faults.boards import running
from harness.faults.fault import RELAY, Fault, Lasting, Strikes, choice, number, seconds, whole
from harness.faults.world import World

__all__ = ["Bandwidth", "Corrupt", "Cut", "Delay", "Drop", "HalfOpen", "Jitter", "Silence", "SlowClose", "Unplugged"]


@dataclass(frozen=True)
class _Disturbance(Lasting):
    """A disturbance by the relay, of one board's links or of all."""

    strikes: ClassVar[Strikes] = Strikes.LINK
    needs: ClassVar[frozenset[str]] = frozenset({RELAY})
    names_place: ClassVar[bool] = False

    @abstractmethod
    def what(self) -> dict[str, Any]:
        """The fields of :class:`~harness.gateways.relay.faults.LinkFault`."""

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = world.boards[place] if place else None
        world.links.disturb(board, **self.what())
        begun()
        await world.clock.sleep(self.lasts)
        world.links.restore(board)


@dataclass(frozen=True)
class Cut(_Disturbance):
    """The network is gone: the board hears nothing, the gateway sees a reset. The board connects again afterwards."""

    name: ClassVar[str] = "link.cut"

    def what(self) -> dict[str, Any]:
        return {"cut": True}


@dataclass(frozen=True)
class Silence(_Disturbance):
    """Nothing passes, and nothing is lost: afterwards everything arrives late, or to an end that gave up."""

    name: ClassVar[str] = "link.silence"

    def what(self) -> dict[str, Any]:
        return {"silent": True}


@dataclass(frozen=True)
class Delay(_Disturbance):
    """Everything passes ``by`` seconds later. A session that is slower than its time limits ends and is made again."""

    name: ClassVar[str] = "link.delay"
    by: float = seconds(1.0)

    def what(self) -> dict[str, Any]:
        return {"delay": self.by}


@dataclass(frozen=True)
class Jitter(_Disturbance):
    """Everything passes later by a random time of up to ``by`` seconds, in its order. A session that is slower than its
    time limits ends and is made again."""

    name: ClassVar[str] = "link.jitter"
    by: float = seconds(1.0)

    def what(self) -> dict[str, Any]:
        return {"jitter": self.by}


@dataclass(frozen=True)
class SlowClose(_Disturbance):
    """The end of a connection reaches the other end ``by`` seconds later. Meanwhile a board that is back has another
    connection, whose session replaces the old one."""

    name: ClassVar[str] = "link.slow-close"
    by: float = seconds(10.0)

    def what(self) -> dict[str, Any]:
        return {"slow_close": self.by}


@dataclass(frozen=True)
class Bandwidth(_Disturbance):
    """Only so many ``bytes`` a second pass in each direction."""

    name: ClassVar[str] = "link.bandwidth"
    bytes: float = number(200.0, "in bytes a second", most=1e9)

    def what(self) -> dict[str, Any]:
        return {"bandwidth": self.bytes}


@dataclass(frozen=True)
class Drop(_Disturbance):
    """Of the frames in each direction, ``every`` so many-th is lost. An end that waits for an answer gives up in
    its time."""

    name: ClassVar[str] = "link.drop"
    every: int = whole(2, "as a number of frames")

    def what(self) -> dict[str, Any]:
        return {"drop": self.every}


@dataclass(frozen=True)
class Corrupt(_Disturbance):
    """Of the frames in each direction, ``every`` so many-th has a wrong byte. TLS ends the connection with an alert,
    and the board makes another one."""

    name: ClassVar[str] = "link.corrupt"
    every: int = whole(5, "as a number of frames")

    def what(self) -> dict[str, Any]:
        return {"corrupt": self.every}


@dataclass(frozen=True)
class HalfOpen(Fault):
    """The connection ends for one end only. The end ``believing`` takes it for open until it misses an answer."""

    name: ClassVar[str] = "link.half-open"
    strikes: ClassVar[Strikes] = Strikes.LINK
    needs: ClassVar[frozenset[str]] = frozenset({RELAY})
    names_place: ClassVar[bool] = False
    believing: str = choice("gateway", "device")

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        world.links.disturb(world.boards[place] if place else None, half_open=self.believing)
        begun()


@dataclass(frozen=True)
class Unplugged(Lasting):
    """The board's own connector is loose: its connection breaks and it makes no other one. Needs no relay."""

    name: ClassVar[str] = "link.unplugged"
    strikes: ClassVar[Strikes] = Strikes.LINK

    async def strike(self, world: World, place: str, begun: Callable[[], object]) -> None:
        board = running(world, place)
        await board.cut_link()
        begun()
        await world.clock.sleep(self.lasts)
        await board.restore_link()
