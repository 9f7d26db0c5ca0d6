"""The network of a simulation: the harness's own listeners and connections, over in-memory sockets."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from harness.core.network import SystemNetwork
from harness.sim.loop import SimulatedLoop
from harness.sim.sockets import SimulatedSocket, SimulatedSockets

if TYPE_CHECKING:
    import aiohttp

__all__ = ["SimulatedNetwork"]


class SimulatedNetwork(SystemNetwork):
    """Loopback TCP without an operating system. Only on the loop of the same simulation."""

    def __init__(self, sockets: SimulatedSockets) -> None:
        self._sockets = sockets

    def connector(self) -> aiohttp.BaseConnector:
        import aiohttp

        return aiohttp.TCPConnector(socket_factory=lambda _: cast(socket.socket, self._sockets.make()))

    async def _bind(self, host: str, port: int) -> socket.socket:
        loop = cast(SimulatedLoop, asyncio.get_running_loop())
        listener = loop.bound_socket(host, port)
        listener.listen()
        return listener

    def _socket(self, family: int) -> socket.socket:
        return cast(socket.socket, self._sockets.make())

    def _has_left(self, connection: socket.socket) -> bool:
        return cast(SimulatedSocket, connection).left_by_peer
