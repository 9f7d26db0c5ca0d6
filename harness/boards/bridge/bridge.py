"""One board's connection to the gateway over a serial line, with back-pressure end to end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import cast

from harness.boards.bridge.line import DLE, Line, LineMark
from harness.boards.endpoint import LONGEST_ENDPOINT, parse_endpoint
from harness.core.errors import reason
from harness.core.history import Tap
from harness.core.network import Endpoint, Network

__all__ = ["Bridge", "Counters"]

MOST_WAITING = 65_536
"""Bytes queued for the board before the gateway has to wait."""
PORTION = 1024
"""Bytes that are written to the line at a time."""


@dataclass(slots=True)
class Counters:
    """Traffic of a bridge: bytes to the gateway, bytes to the board, and connections."""

    up: int = 0
    down: int = 0
    connections: int = 0


class Bridge(asyncio.Protocol):
    """The asyncio protocol of the board's serial line. It opens and closes the gateway's connection on the board's
    request.

    :meth:`cut` breaks the connection and prevents another one until :meth:`restore`. ``on_request``: the board requests
    each byte, and gets none without a request. ``assignable`` returns the gateways that the board may ask for instead
    of ``gateway``; a request for any other address is refused. ``tls``, and the ``server_name`` that the gateway's
    certificate must have: the bridge speaks TLS for a board that cannot.
    """

    def __init__(
        self,
        board: str,
        gateway: Endpoint,
        network: Network,
        tap: Tap | None = None,
        *,
        on_request: bool = False,
        assignable: Callable[[], Collection[Endpoint]] = tuple,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        self.board = board
        self.counters = Counters()
        self.is_cut = False
        self._gateway = gateway
        self._network = network
        self._tap = tap
        self._assignable = assignable
        self._tls, self._server_name = tls, server_name
        self._line = Line()
        self._address: bytes | None = None
        """The address that the next request for a connection is for, as far as it has come."""
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
                address, self._address = self._address, None
                self._open(address)
            elif part is LineMark.CLOSE:
                self._address = None
                self._hang_up("the board closed it")
            elif part is LineMark.ADDRESS:
                self._address = b""
            elif part is LineMark.ASK:
                self._outgoing.ask()
                self._balance()
            elif isinstance(part, bytes) and self._address is not None:
                self._address = (self._address + part)[: LONGEST_ENDPOINT + 1]
            elif isinstance(part, bytes):
                self._to_gateway(part)

    def connection_lost(self, exc: Exception | None) -> None:
        self._serial = self._outgoing.transport = None
        self._hang_up("the board's line ended", abort=True)

    def pause_writing(self) -> None:
        self._outgoing.hold(True)

    def resume_writing(self) -> None:
        self._outgoing.hold(False)
        self._balance()

    # control

    def cut(self) -> None:
        """Break the link like a pulled cable: the board gets no message, the gateway sees a reset."""
        self.is_cut = True
        self._hang_up("the link was cut", abort=True)

    def restore(self) -> None:
        """Allow connections again, and ask a waiting board to connect. Changes nothing if the link was not cut."""
        if self.is_cut:
            self.is_cut = False
            self.call()

    def call(self) -> None:
        """End the board's connection; a board without one connects at once."""
        self._tell_board(LineMark.CLOSE)

    def shut_down(self) -> None:
        """Ask the board to close its session and stop. The request goes before the bytes that still wait."""
        if not self.is_cut:
            self._outgoing.write_first(LineMark.SHUTDOWN.wire())

    async def close(self) -> None:
        """Close both sides, and wait until a connection attempt has ended."""
        self._hang_up("the bridge was closed", abort=True)
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._serial is not None:
            self._serial.close()

    # the gateway's side

    def _open(self, address: bytes | None = None) -> None:
        """Connect to the gateway at ``address``; None: to the one that the board was provisioned with."""
        self._hang_up("the board connects again", abort=True)
        if self.is_cut:
            return
        gateway = self._gateway if address is None else parse_endpoint(address.decode("ascii", "replace"))
        if gateway is None or (address is not None and gateway not in self._assignable()):
            self._refuse(f"no gateway that the board may use has the address {address!r}")
            return
        self._far = _FarEnd(self)
        connecting = self._connect(self._far, gateway)
        self._connecting = asyncio.get_running_loop().create_task(connecting, name=f"bridge {self.board}")

    async def _connect(self, far: _FarEnd, gateway: Endpoint) -> None:
        try:
            await self._network.connect(lambda: far, gateway, tls=self._tls, server_name=self._server_name)
        except OSError as error:
            self._far = None
            self._refuse(reason(error))
            return
        self.counters.connections += 1
        self._note("LinkOpened", gateway=f"{gateway[0]}:{gateway[1]}")
        self._tell_board(LineMark.OPEN)

    def _refuse(self, reason: str) -> None:
        self._note("LinkRefused", reason=reason)
        self._tell_board(LineMark.CLOSE)

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
        """Let the gateway wait while many bytes are queued."""
        if len(self._outgoing) > MOST_WAITING:
            self.hold_gateway(True)
        elif not self._outgoing:
            self.hold_gateway(False)

    def hold_gateway(self, is_full: bool) -> None:
        """Stop or resume reading from the gateway."""
        if self._far is not None and self._far.transport is not None:
            self._far.transport.pause_reading() if is_full else self._far.transport.resume_reading()

    def _note(self, name: str, **data: object) -> None:
        if self._tap is not None:
            self._tap("Device", "Bridge", name, data, self.board)

    def far_received(self, far: _FarEnd, data: bytes) -> None:
        """Forward bytes from the gateway to the board."""
        if far is self._far:
            self.counters.down += len(data)
            self._write(Line.stuff(data))

    def far_lost(self, far: _FarEnd) -> None:
        """Handle a connection that the gateway closed."""
        if far is self._far:
            self._far = None
            self._note("LinkClosed", reason="the gateway closed it")
            self._tell_board(LineMark.CLOSE)

    def far_full(self, full: bool) -> None:
        """Stop reading from the serial line while the gateway's socket is full; else resume."""
        if self._serial is not None:
            self._serial.pause_reading() if full else self._serial.resume_reading()


class _Outgoing:
    """Bytes queued for the board. Only a few are written at a time, so that the rest can still be dropped."""

    def __init__(self, on_request: bool) -> None:
        self.transport: asyncio.Transport | None = None
        self._on_request = on_request
        self._room = 0 if on_request else PORTION
        self._waiting = bytearray()
        self._last_sent = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._send()

    def write_first(self, mark: bytes) -> None:
        """Put ``mark`` before the queued bytes, but not into another mark. A board that requests its bytes gets it
        last."""
        at = len(self._waiting) if self._on_request else int(self._last_sent == DLE)
        self._waiting[at:at] = mark
        self._send()

    def ask(self) -> None:
        """Allow one byte, which the board requested. A board that was reset requests again, but still one byte."""
        if self._on_request:
            self._room = 1
            self._send()

    def hold(self, is_full: bool) -> None:
        """Stop writing while the line is full; else resume."""
        if not self._on_request:
            self._room = 0 if is_full else PORTION
            self._send()

    def forget(self) -> None:
        self._waiting.clear()

    def _send(self) -> None:
        while self._waiting and self._room and self.transport is not None:
            portion = bytes(self._waiting[: self._room])
            del self._waiting[: len(portion)]
            self._last_sent = portion[-1]
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
