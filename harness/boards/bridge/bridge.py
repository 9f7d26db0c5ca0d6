"""One board's tunnel to the gateway, with back-pressure end to end."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast

from harness.boards.bridge.line import Line, Mark
from harness.core.history import Tap
from harness.core.network import Endpoint, Network

__all__ = ["Bridge", "Counters"]

MOST_WAITING = 65_536
"""Bytes for a board that asks for each, before the gateway has to wait."""


@dataclass(slots=True)
class Counters:
    """What went through: bytes towards the gateway and towards the board, and connections made."""

    up: int = 0
    down: int = 0
    connections: int = 0


class Bridge(asyncio.Protocol):
    """The asyncio protocol of the board's serial stream; it makes and ends the gateway's connection as told.

    :meth:`cut` breaks the connection and lets no other be made until :meth:`restore`. ``on_request``: the board asks
    for each byte, and gets none before. ``tls`` and the ``server_name`` that the gateway's certificate must carry: the
    bridge speaks TLS for a board that cannot.
    """

    def __init__(
        self,
        board: str,
        gateway: Endpoint,
        network: Network,
        tap: Tap | None = None,
        *,
        on_request: bool = False,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self.board = board
        self.counters = Counters()
        self.is_cut = False
        self._gateway = gateway
        self._network = network
        self._tap = tap
        self._tls, self._server_name = tls, server_name
        self._line = Line()
        self._requests = _Requests() if on_request else None
        self._serial: asyncio.Transport | None = None
        self._far: _FarEnd | None = None
        self._connecting: asyncio.Task[None] | None = None

    # the serial side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._serial = cast(asyncio.Transport, transport)
        if self._requests is not None:
            self._requests.transport = self._serial

    def data_received(self, data: bytes) -> None:
        for part in self._line.feed(data):
            if part is Mark.OPEN:
                self._open()
            elif part is Mark.CLOSE:
                self._hang_up("the board closed it")
            elif part is Mark.ASK and self._requests is not None:
                self._requests.ask()
                if not self._requests.waiting:
                    self.resume_writing()
            elif isinstance(part, bytes):
                self._to_gateway(part)

    def connection_lost(self, exc: Exception | None) -> None:
        self._serial = None
        self._hang_up("the board's line is gone", abort=True)

    def pause_writing(self) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._far is not None and self._far.transport is not None:
            self._far.transport.resume_reading()

    # control

    def cut(self) -> None:
        """Break the link, as if the cable was pulled: the board hears nothing, the gateway sees a reset."""
        self.is_cut = True
        self._hang_up("the link was cut", abort=True)

    def restore(self) -> None:
        """Let connections be made again; a board that was waiting is told to try."""
        self.is_cut = False
        self._tell_board(Mark.CLOSE)

    def shut_down(self) -> None:
        """Ask the board to close its session and stand still."""
        self._tell_board(Mark.SHUTDOWN)

    async def close(self) -> None:
        """End both sides and wait for a connection that was being made."""
        self._hang_up("the bridge was closed", abort=True)
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._serial is not None:
            self._serial.close()

    # the gateway's side

    def _open(self) -> None:
        self._hang_up("the board connects anew", abort=True)
        if self._requests is not None:
            self._requests.forget()
        if self.is_cut:
            return
        self._far = _FarEnd(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(self._far), name=f"bridge {self.board}")

    async def _connect(self, far: _FarEnd) -> None:
        try:
            await self._network.connect(lambda: far, self._gateway, tls=self._tls, server_name=self._server_name)
        except OSError as error:
            self._far = None
            self._note("LinkRefused", reason=str(error))
            self._tell_board(Mark.CLOSE)
            return
        self.counters.connections += 1
        self._note("LinkOpened", gateway=f"{self._gateway[0]}:{self._gateway[1]}")
        self._tell_board(Mark.OPEN)

    def _to_gateway(self, data: bytes) -> None:
        if self._far is not None and self._far.transport is not None:
            self.counters.up += len(data)
            self._far.transport.write(data)

    def _hang_up(self, reason: str, *, abort: bool = False) -> None:
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        far, self._far = self._far, None
        if far is not None and far.transport is not None:
            self._note("LinkClosed", reason=reason)
            far.transport.abort() if abort else far.transport.close()

    def _tell_board(self, mark: Mark) -> None:
        if self._serial is not None and not self.is_cut:
            self._write(mark.wire())

    def _write(self, data: bytes) -> None:
        if self._requests is not None:
            self._requests.write(data)
            if self._requests.waiting > MOST_WAITING:
                self.pause_writing()
        elif self._serial is not None:
            self._serial.write(data)

    def _note(self, name: str, **data: object) -> None:
        if self._tap is not None:
            self._tap("Device", "Bridge", name, data, self.board)

    def far_received(self, far: _FarEnd, data: bytes) -> None:
        """Bytes from the gateway on their way to the board."""
        if far is self._far and self._serial is not None:
            self.counters.down += len(data)
            self._write(Line.stuff(data))

    def far_lost(self, far: _FarEnd) -> None:
        """The gateway closed the connection."""
        if far is self._far:
            self._far = None
            self._note("LinkClosed", reason="the gateway closed it")
            self._tell_board(Mark.CLOSE)

    def far_full(self, full: bool) -> None:
        """The gateway takes no more for now: let the serial line wait too."""
        if self._serial is not None:
            self._serial.pause_reading() if full else self._serial.resume_reading()


class _Requests:
    """Gives out a byte for each time that it is asked for one."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._waiting = bytearray()
        self._is_asked = False

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._give()

    def ask(self) -> None:
        # A board that was reset in between asks again; it still wants one byte.
        self._is_asked = True
        self._give()

    def forget(self) -> None:
        self._waiting.clear()

    def _give(self) -> None:
        if self._waiting and self._is_asked and self.transport is not None:
            self._is_asked = False
            self.transport.write(self._waiting[:1])
            del self._waiting[:1]


class _FarEnd(asyncio.Protocol):
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._bridge.far_received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._bridge.far_lost(self)

    def pause_writing(self) -> None:
        self._bridge.far_full(True)

    def resume_writing(self) -> None:
        self._bridge.far_full(False)
