"""The network, as an argument: platform and harness reach it only through this port.

A test that needs another network passes another :class:`Network` instead of patching sockets.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from harness.core.ports import on_free_port
from harness.core.tls_listener import Admission, TlsListener
from harness.core.tls_peer import has_left
from harness.core.tls_server import TlsServer

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Admission", "Endpoint", "Listener", "Network", "SystemNetwork"]

P = TypeVar("P", bound=asyncio.Protocol)

UNSENT = 128 << 10
"""Bytes that the system holds for a peer of a TLS listener that does not read; Linux holds four megabytes by itself."""
Endpoint = tuple[str, int]
"""Host and port."""


class Listener(ABC):
    """An open server socket."""

    endpoint: Endpoint

    def secure(self, tls: TlsServer) -> None:
        """Use other TLS parameters for handshakes that begin from now on. Only for a listener with TLS."""
        raise RuntimeError("the listener has no TLS")

    @abstractmethod
    async def close(self) -> None:
        """Stop accepting. Accepted connections stay open; their protocols close them."""


class Network(ABC):
    """Stream connections, with or without TLS."""

    @abstractmethod
    async def listen(
        self,
        protocol: Callable[[], asyncio.Protocol],
        endpoint: Endpoint,
        *,
        tls: TlsServer | None = None,
        admission: Admission | None = None,
        unread: int | None = None,
    ) -> Listener:
        """Accept connections at ``endpoint``. Raises :class:`OSError` if it is taken.

        Port 0 is any free one, and one on which the caller can listen again after it was closed. ``unread`` bounds the
        bytes that the system takes from a peer before they are read; it may double the number (socket(7)).

        With ``tls``, ``admission`` bounds the peers that have not completed the handshake, and reports each that is
        refused.
        """

    @abstractmethod
    async def connect(
        self,
        protocol: Callable[[], P],
        endpoint: Endpoint,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        handshake_timeout: float | None = None,
        unread: int | None = None,
    ) -> P:
        """Open a connection and return its protocol. Raises :class:`OSError` (:class:`ssl.SSLError` is one).

        ``unread`` as for :meth:`listen`.
        """

    @abstractmethod
    def connector(self) -> aiohttp.BaseConnector:
        """A connector for an HTTP client on this network, made on the running event loop. The client closes it."""


class _SystemListener(Listener):
    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.endpoint = server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        self._server.close()


class _SecureListener(Listener):
    def __init__(self, listener: TlsListener) -> None:
        self._listener = listener
        self.endpoint = listener.endpoint

    def secure(self, tls: TlsServer) -> None:
        self._listener.secure(tls)

    async def close(self) -> None:
        await self._listener.close()


class SystemNetwork(Network):
    """The operating system's TCP, through the running event loop."""

    async def listen(
        self,
        protocol: Callable[[], asyncio.Protocol],
        endpoint: Endpoint,
        *,
        tls: TlsServer | None = None,
        admission: Admission | None = None,
        unread: int | None = None,
    ) -> Listener:
        host, port = endpoint
        if tls is not None:
            listener = await self._bind(host, port)
            _bound(listener, unread)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
            return _SecureListener(TlsListener(listener, protocol, tls, admission or Admission(), self._has_left))
        loop = asyncio.get_running_loop()
        if port == 0 or unread is not None:
            listener = await self._bind(host, port)
            _bound(listener, unread)
            return _SystemListener(await loop.create_server(protocol, sock=listener, backlog=1024))
        return _SystemListener(await loop.create_server(protocol, host, port, backlog=1024))

    async def connect(
        self,
        protocol: Callable[[], P],
        endpoint: Endpoint,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        handshake_timeout: float | None = None,
        unread: int | None = None,
    ) -> P:
        host, port = endpoint
        where = {"host": host, "port": port} if unread is None else {"sock": await self._connected(host, port, unread)}
        _, connected = await asyncio.get_running_loop().create_connection(
            protocol,
            **where,
            ssl=tls,
            server_hostname=(server_name or host) if tls else None,
            ssl_handshake_timeout=handshake_timeout if tls else None,
        )
        return connected

    def connector(self) -> aiohttp.BaseConnector:
        import aiohttp

        return aiohttp.TCPConnector()

    async def _connected(self, host: str, port: int, unread: int) -> socket.socket:
        """A socket that is connected to the first of the host's addresses that accepts it."""
        loop = asyncio.get_running_loop()
        failure = OSError(f"{host} has no address")
        for family, _, _, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            client = self._socket(family)
            try:
                client.setblocking(False)
                _bound(client, unread)
                await loop.sock_connect(client, address)
            except OSError as error:
                client.close()
                failure = error
            except BaseException:
                client.close()
                raise
            else:
                return client
        raise failure

    def _socket(self, family: int) -> socket.socket:
        return socket.socket(family, socket.SOCK_STREAM)

    async def _bind(self, host: str, port: int) -> socket.socket:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]

        def bind(port: int) -> socket.socket:
            return socket.create_server((str(address[0]), port), family=family, backlog=1024)

        listener = bind(port) if port else on_free_port(bind)
        listener.setblocking(False)
        return listener

    def _has_left(self, connection: socket.socket) -> bool:
        return has_left(connection)


def _bound(unconnected: socket.socket, unread: int | None) -> None:
    """Set the size of a receive buffer. Linux must know it before the connection is made: it drops what its peer may
    send by an earlier window and a smaller buffer has no room for, with the acknowledgments in it."""
    if unread is not None:
        unconnected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, unread)
