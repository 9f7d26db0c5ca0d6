"""TCP in memory: objects with the part of :class:`socket.socket`'s interface that asyncio and the harness use.

They follow Linux where a program can tell: data that has arrived is read before an end or a reset; a socket that is
closed with unread data resets its peer (RFC 1122, section 4.2.2.13); a peer that does not read fills two buffers.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["SimulatedSocket", "SimulatedSockets"]

Address = tuple[str, int]

_FIRST_DESCRIPTOR = 1 << 24
"""Larger than any descriptor of the operating system, so that the two are never mistaken for each other."""
_PORTS = range(20_000, 32_000)
_CLIENT_PORTS = range(32_768, 61_000)
_BUFFER = 128 << 10
"""Bytes that each side of a connection buffers by default, for one direction."""
_OF_SIZE = (socket.SO_SNDBUF, socket.SO_RCVBUF)


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))  # OSError makes the subclass for the code, as ConnectionResetError


class _End:
    """One end of a connection, which several descriptors may share (``dup``)."""

    __slots__ = ("address", "arrived", "ended", "options", "peer", "reset", "sockets", "written_all")

    def __init__(self, address: Address, options: dict[int, int]) -> None:
        self.address = address
        self.options = dict(options)
        self.arrived = bytearray()
        self.ended = False
        """Whether the peer sends nothing more."""
        self.written_all = False
        """Whether this end sends nothing more."""
        self.reset = False
        self.peer: _End | None = None
        """None once the peer has closed."""
        self.sockets: list[SimulatedSocket] = []

    def room(self, sender: _End) -> int:
        """Bytes that ``sender`` may send now."""
        return (
            sender.options.get(socket.SO_SNDBUF, _BUFFER)
            + self.options.get(socket.SO_RCVBUF, _BUFFER)
            - len(self.arrived)
        )

    def changed(self) -> None:
        for each in self.sockets:
            each.changed()

    def close(self) -> None:
        """Close it for its last descriptor."""
        peer, self.peer = self.peer, None
        if peer is None:
            return
        peer.peer = None
        if self.arrived or self.options.get(socket.SO_LINGER):
            peer.reset = True
        peer.ended = True
        peer.changed()


class SimulatedSocket:
    """A stream socket that never blocks."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP

    def __init__(self, sockets: SimulatedSockets, end: _End | None = None) -> None:
        self._sockets = sockets
        self._end = end
        self._waiting: deque[_End] | None = None
        """The connections that a listening socket has not accepted."""
        self._address: Address = ("0.0.0.0", 0)
        self._options: dict[int, int] = {}
        self._descriptor = sockets.opened(self)
        if end is not None:
            end.sockets.append(self)

    def fileno(self) -> int:
        return self._descriptor

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def gettimeout(self) -> float:
        return 0.0

    def getsockname(self) -> Address:
        return self._end.address if self._end is not None else self._address

    def getpeername(self) -> Address:
        end = self._connected()
        if end.peer is None:
            raise _error(errno.ENOTCONN)
        return end.peer.address

    def getsockopt(self, level: int, option: int, size: int = 0) -> int:
        return self._of_options().get(option, 0)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if level != socket.SOL_SOCKET:
            return  # TCP_NODELAY and the like: nothing is delayed here
        if option == socket.SO_LINGER:
            value = int(bytes(value) == b"\x01\x00\x00\x00\x00\x00\x00\x00")  # on, 0 s: close by a reset
        self._of_options()[option] = 2 * value if option in _OF_SIZE else value  # the kernel doubles sizes (socket(7))
        self.changed()

    # Listening and connecting.

    def bind(self, address: Address) -> None:
        self._address = self._sockets.claim(address, self)

    def listen(self, backlog: int = 0) -> None:
        if self._waiting is None:
            self._waiting = deque()

    def accept(self) -> tuple[SimulatedSocket, Address]:
        if self._waiting is None:
            raise _error(errno.EINVAL)
        if not self._waiting:
            raise _error(errno.EAGAIN)
        end = self._waiting.popleft()
        accepted = SimulatedSocket(self._sockets, end)
        return accepted, end.peer.address if end.peer is not None else ("127.0.0.1", 0)

    def connect(self, address: tuple[Any, ...]) -> None:
        listener = self._sockets.listener(address[0], address[1])
        if listener is None or listener._waiting is None:
            raise _error(errno.ECONNREFUSED)
        here = _End(self._sockets.client_address(), self._options)
        there = _End((str(address[0]), address[1]), listener._options)
        here.peer, there.peer = there, here
        self._end = here
        here.sockets.append(self)
        listener._waiting.append(there)
        listener.changed()

    # Data.

    def recv(self, size: int, flags: int = 0) -> bytes:
        end = self._readable()
        data = bytes(end.arrived[:size])
        if not flags & socket.MSG_PEEK:
            self._take(end, len(data))
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        end = self._readable()
        size = min(size or len(buffer), len(end.arrived))
        with memoryview(end.arrived) as arrived:
            buffer[:size] = arrived[:size]
        self._take(end, size)
        return size

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        end = self._connected()
        if end.written_all:
            raise _error(errno.EPIPE)
        if end.peer is None:
            if end.reset:
                raise _error(errno.EPIPE)
            end.reset = True  # the answer to what is sent to a closed socket
            end.changed()
            return len(data)
        room = end.peer.room(end)
        if room <= 0:
            raise _error(errno.EAGAIN)
        end.peer.arrived += data if room >= len(data) else memoryview(data)[:room]
        end.peer.changed()
        return min(room, len(data))

    def sendmsg(self, buffers: Iterable[bytes | bytearray | memoryview]) -> int:
        return self.send(b"".join(buffers))

    def shutdown(self, how: int) -> None:
        end = self._connected()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            end.ended = True
            end.changed()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR) and not end.written_all:
            end.written_all = True
            if end.peer is not None:
                end.peer.ended = True
                end.peer.changed()

    def dup(self) -> SimulatedSocket:
        return SimulatedSocket(self._sockets, self._connected())

    def close(self) -> None:
        if self._descriptor == -1:
            return
        self._sockets.closed(self)
        self._descriptor = -1
        if self._end is not None:
            self._end.sockets.remove(self)
            if not self._end.sockets:
                self._end.close()
        for waiting in self._waiting or ():
            waiting.options[socket.SO_LINGER] = 1  # nobody will accept them
            waiting.close()
        self._waiting = None

    # For the selector and the network.

    def events(self, wanted: int) -> int:
        """The ``wanted`` events of :mod:`selectors` that it is ready for."""
        if self._waiting is not None:
            return wanted & selectors.EVENT_READ if self._waiting else 0
        end = self._end
        if end is None:
            return 0
        ready = 0
        if wanted & selectors.EVENT_READ and (
            end.ended or end.reset or len(end.arrived) >= (end.options.get(socket.SO_RCVLOWAT) or 1)
        ):
            ready |= selectors.EVENT_READ
        if wanted & selectors.EVENT_WRITE and (end.peer is None or end.peer.room(end) > 0):
            ready |= selectors.EVENT_WRITE
        return ready

    def changed(self) -> None:
        """Have the selector look at it again."""
        self._sockets.touch(self._descriptor)

    @property
    def left_by_peer(self) -> bool:
        """Whether the peer sends nothing more, although not all may have been read."""
        return self._end is None or self._end.ended or self._end.reset

    def _connected(self) -> _End:
        if self._descriptor == -1:
            raise _error(errno.EBADF)
        if self._end is None:
            raise _error(errno.ENOTCONN)
        return self._end

    def _readable(self) -> _End:
        """The end, if something or its end can be read."""
        end = self._connected()
        if not end.arrived:
            if end.reset:
                end.reset, end.ended = False, True
                raise _error(errno.ECONNRESET)
            if not end.ended:
                raise _error(errno.EAGAIN)
        return end

    @staticmethod
    def _take(end: _End, size: int) -> None:
        del end.arrived[:size]
        if size and end.peer is not None:
            end.peer.changed()  # it may have waited for room

    def _of_options(self) -> dict[int, int]:
        return self._end.options if self._end is not None else self._options


class SimulatedSockets:
    """All sockets of one simulation, and its ports. ``touch`` is set by the selector that watches them."""

    def __init__(self) -> None:
        self._next = _FIRST_DESCRIPTOR
        self._open: dict[int, SimulatedSocket] = {}
        self._listeners: dict[int, SimulatedSocket] = {}
        self._free, self._free_client = iter(_PORTS), iter(_CLIENT_PORTS)
        self.touch: Callable[[int], object] = lambda descriptor: None

    def __len__(self) -> int:
        """The number of open sockets."""
        return len(self._open)

    def __getitem__(self, descriptor: int) -> SimulatedSocket:
        """The socket with that descriptor. Raises KeyError for a descriptor of the operating system."""
        return self._open[descriptor]

    def make(self) -> SimulatedSocket:
        """A new socket, not connected."""
        return SimulatedSocket(self)

    def opened(self, made: SimulatedSocket) -> int:
        self._next += 1
        self._open[self._next] = made
        return self._next

    def closed(self, ended: SimulatedSocket) -> None:
        del self._open[ended.fileno()]
        port = ended.getsockname()[1]
        if self._listeners.get(port) is ended:
            del self._listeners[port]

    def claim(self, address: Address, listener: SimulatedSocket) -> Address:
        """Reserve a port, 0 for a free one. Raises OSError if it is taken."""
        host, port = address[:2]
        if port == 0:
            port = next((port for port in self._free if port not in self._listeners), 0)
        if port == 0 or port in self._listeners:
            raise _error(errno.EADDRINUSE)
        self._listeners[port] = listener
        return host, port

    def listener(self, host: str, port: int) -> SimulatedSocket | None:
        """The socket that listens there."""
        return self._listeners.get(port)

    def client_address(self) -> Address:
        """The address of a new connection's client."""
        port = next(self._free_client, None)
        if port is None:
            self._free_client = iter(_CLIENT_PORTS)
            port = next(self._free_client)
        return "127.0.0.1", port
