"""The bridge of a board that connects by TCP: its link is recorded, counted and cut as on a serial line."""

from __future__ import annotations

import asyncio
from typing import cast

from harness.boards.bridge.bridge import Bridge
from harness.boards.bridge.line import LineMark
from harness.core.network import Endpoint, Listener

__all__ = ["TcpBridge"]

LOOPBACK = "127.0.0.1"


class TcpBridge(Bridge):
    """Like its parent, but data comes over the board's TCP connection to the port of :meth:`listen`.

    The serial line carries only marks: the board has started, it has to shut down, it can connect now. While the link
    is cut, connections are accepted and never forwarded.
    """

    _near: _NearEnd | None = None
    _early = b""
    """Bytes from the board, before the connection to the gateway is made."""
    _listener: Listener | None = None

    async def listen(self, port: int = 0) -> Endpoint:
        """Listen on a ``port`` of the loopback interface, or on any; returns the endpoint. Raises OSError if it is not
        free."""
        self._listener = await self._network.listen(lambda: _NearEnd(self), (LOOPBACK, port))
        return self._listener.endpoint

    def restore(self) -> None:
        """Allow connections again; those that were accepted meanwhile are closed."""
        if self.is_cut:
            super().restore()
            super()._tell_board(LineMark.CLOSE)

    async def close(self) -> None:
        if self._listener is not None:
            await self._listener.close()
        self._drop()
        await super().close()

    def near_made(self, near: _NearEnd) -> None:
        """Handle a new connection of the board; it replaces the previous one."""
        self._drop()
        self._near, self._early = near, b""
        near.transport.pause_reading()
        self._open()

    def near_received(self, near: _NearEnd, data: bytes) -> None:
        """Forward bytes from the board to the gateway."""
        if near is not self._near:
            return
        if self._far is None or self._far.transport is None:
            # uvloop reads once although connection_made paused it: findings/uvloop_reads_once_when_paused.sh.
            self._early += data
            near.transport.pause_reading()
        else:
            super()._to_gateway(data)

    def near_lost(self, near: _NearEnd) -> None:
        """Handle the end of the board's connection."""
        if near is self._near:
            self._near = None
            self._hang_up("the board closed it")

    def _to_gateway(self, data: bytes) -> None:
        """Drop data on the serial line: only marks have a meaning there."""

    def _balance(self) -> None:
        """Do nothing: the gateway waits for the board's connection, not for the serial line."""

    def _drop(self) -> None:
        near, self._near = self._near, None
        if near is not None:
            near.transport.abort()

    def _tell_board(self, mark: LineMark) -> None:
        if self._near is not None and not self.is_cut:
            if mark is LineMark.OPEN:
                super()._to_gateway(self._early)
                self._early = b""
                self._near.transport.resume_reading()
            else:
                near, self._near = self._near, None
                near.transport.close()

    def far_received(self, far: asyncio.Protocol, data: bytes) -> None:
        if far is self._far and self._near is not None:
            self.counters.down += len(data)
            self._near.transport.write(data)

    def far_full(self, full: bool) -> None:
        if self._near is not None:
            self._near.transport.pause_reading() if full else self._near.transport.resume_reading()


class _NearEnd(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, bridge: TcpBridge) -> None:
        self._bridge = bridge

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._bridge.near_made(self)

    def data_received(self, data: bytes) -> None:
        self._bridge.near_received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._bridge.near_lost(self)

    def pause_writing(self) -> None:
        self._bridge.hold_gateway(True)

    def resume_writing(self) -> None:
        self._bridge.hold_gateway(False)
