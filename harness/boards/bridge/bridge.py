"""One board's tunnel to the gateway, with back-pressure end to end."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast

from harness.boards.bridge.line import DLE, Line, LineMark
from harness.core.errors import reason
from harness.core.history import Tap
from harness.core.network import Endpoint, Network

__all__ = ["Bridge", "Counters"]

MOST_WAITING = 65_536
"""Bytes on their way to the board, before the gateway has to wait."""
PORTION = 1024
"""Bytes that the line is given at a time."""


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
        self._outgoing = _Outgoing(on_request)
        self._serial: asyncio.Transport | None = None
        self._far: _FarEnd | None = None
        self._connecting: asyncio.Task[None] | None = None

    # the serial side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._serial = self._outgoing.transport = cast(asyncio.Transport, transport)
        self._serial.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        for part in self._line.feed(data):
            if part is LineMark.OPEN:
                self._open()
            elif part is LineMark.CLOSE:
                self._hang_up("the board closed it")
            elif part is LineMark.ASK:
                self._outgoing.ask()
                self._balance()
            elif isinstance(part, bytes):
                self._to_gateway(part)

    def connection_lost(self, exc: Exception | None) -> None:
        self._serial = self._outgoing.transport = None
        self._hang_up("the board's line is gone", abort=True)

    def pause_writing(self) -> None:
        self._outgoing.hold(True)

    def resume_writing(self) -> None:
        self._outgoing.hold(False)
        self._balance()

    # control

    def cut(self) -> None:
        """Break the link, as if the cable was pulled: the board hears nothing, the gateway sees a reset."""
        self.is_cut = True
        self._hang_up("the link was cut", abort=True)

    def restore(self) -> None:
        """Let connections be made again; a board that was waiting is told to try. Changes nothing if it was not cut."""
        if self.is_cut:
            self.is_cut = False
            self.call()

    def call(self) -> None:
        """End the board's connection, or let it try for one at once if it has none."""
        self._tell_board(LineMark.CLOSE)

    def shut_down(self) -> None:
        """Ask the board to close its session and stand still, before anything that still waits for it."""
        if not self.is_cut:
            self._outgoing.write_first(LineMark.SHUTDOWN.wire())

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
        if self.is_cut:
            return
        self._far = _FarEnd(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(self._far), name=f"bridge {self.board}")

    async def _connect(self, far: _FarEnd) -> None:
        try:
            await self._network.connect(lambda: far, self._gateway, tls=self._tls, server_name=self._server_name)
        except OSError as error:
            self._far = None
            self._note("LinkRefused", reason=reason(error))
            self._tell_board(LineMark.CLOSE)
            return
        self.counters.connections += 1
        self._note("LinkOpened", gateway=f"{self._gateway[0]}:{self._gateway[1]}")
        self._tell_board(LineMark.OPEN)

    def _to_gateway(self, data: bytes) -> None:
        if self._far is not None and self._far.transport is not None:
            self.counters.up += len(data)
            self._far.transport.write(data)

    def _hang_up(self, reason: str, *, abort: bool = False) -> None:
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        self._outgoing.forget()
        far, self._far = self._far, None
        if far is not None and far.transport is not None:
            self._note("LinkClosed", reason=reason)
            far.transport.abort() if abort else far.transport.close()

    def _tell_board(self, mark: LineMark) -> None:
        if not self.is_cut:
            self._write(mark.wire())

    def _write(self, data: bytes) -> None:
        if self._serial is not None:
            self._outgoing.write(data)
            self._balance()

    def _balance(self) -> None:
        """Let the gateway wait while much is on its way."""
        if len(self._outgoing) > MOST_WAITING:
            self.hold_gateway(True)
        elif not self._outgoing:
            self.hold_gateway(False)

    def hold_gateway(self, is_full: bool) -> None:
        """Read no more from the gateway for now, or go on."""
        if self._far is not None and self._far.transport is not None:
            self._far.transport.pause_reading() if is_full else self._far.transport.resume_reading()

    def _note(self, name: str, **data: object) -> None:
        if self._tap is not None:
            self._tap("Device", "Bridge", name, data, self.board)

    def far_received(self, far: _FarEnd, data: bytes) -> None:
        """Bytes from the gateway on their way to the board."""
        if far is self._far:
            self.counters.down += len(data)
            self._write(Line.stuff(data))

    def far_lost(self, far: _FarEnd) -> None:
        """The gateway closed the connection."""
        if far is self._far:
            self._far = None
            self._note("LinkClosed", reason="the gateway closed it")
            self._tell_board(LineMark.CLOSE)

    def far_full(self, full: bool) -> None:
        """The gateway takes no more for now: let the serial line wait too."""
        if self._serial is not None:
            self._serial.pause_reading() if full else self._serial.resume_reading()


class _Outgoing:
    """What is on its way to the board. The line is given little at a time, so that the rest can still be dropped."""

    def __init__(self, on_request: bool) -> None:
        self.transport: asyncio.Transport | None = None
        self._on_request = on_request
        self._room = 0 if on_request else PORTION
        self._waiting = bytearray()
        self._given = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._give()

    def write_first(self, mark: bytes) -> None:
        """Before what waits, but not into the middle of a mark. A board that asks for bytes gets all of them first."""
        at = len(self._waiting) if self._on_request else int(self._given == DLE)
        self._waiting[at:at] = mark
        self._give()

    def ask(self) -> None:
        """The board asks for a byte. One that was reset in between asks again; it still wants one."""
        if self._on_request:
            self._room = 1
            self._give()

    def hold(self, is_full: bool) -> None:
        """The line takes no more for now, or more again."""
        if not self._on_request:
            self._room = 0 if is_full else PORTION
            self._give()

    def forget(self) -> None:
        self._waiting.clear()

    def _give(self) -> None:
        while self._waiting and self._room and self.transport is not None:
            portion = bytes(self._waiting[: self._room])
            del self._waiting[: len(portion)]
            self._given = portion[-1]
            if self._on_request:
                self._room = 0
            self.transport.write(portion)


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
