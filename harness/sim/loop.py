"""An asyncio event loop in virtual time, over in-memory sockets.

Everything above the sockets is asyncio's own: streams, TLS, flow control, timers. Calls that a worker thread would do
are done at once; whatever else reaches outside the process is refused (:mod:`harness.sim.guard`).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from asyncio.sslproto import SSLProtocol
from typing import Any, NoReturn, cast

from harness.core.errors import RigError
from harness.sim.garbage import RareCollections
from harness.sim.guard import Guard
from harness.sim.order import ChosenOrder, ReadyQueue
from harness.sim.plain_link import PlainLink
from harness.sim.selector import SimulatedSelector
from harness.sim.simulated_time import SimulatedTime
from harness.sim.sockets import SimulatedSocket, SimulatedSockets
from harness.sim.stopped import Stopped

__all__ = ["SimulatedLoop"]

TRANSMISSION = 20e-6
"""Virtual seconds until bytes arrive: an enrollment takes about a millisecond, and what happens later has a later time.
Turns of the loop take none, because their number differs between versions of Python."""
MOST_BUSY_TURNS = 1_000_000
"""Turns of the loop in which no time passes, before it is taken for endless."""


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop of one simulation. When nothing can run, it moves ``time`` to the next timer. ``order`` chooses among
    what is ready at the same time; None: first in, first out. With ``plain``, TLS does not protect its data."""

    def __init__(
        self, time: SimulatedTime, sockets: SimulatedSockets, order: ChosenOrder | None = None, *, plain: bool = False
    ) -> None:
        self._collections = RareCollections()
        self._plain = plain
        self._time, self._sockets = time, sockets
        self._guard = Guard(time)
        self._busy_turns = 0
        self._stopped, self._order = Stopped(), order
        super().__init__(SimulatedSelector(sockets, self._data_arrived, self._idle, order, self._stopped))
        if order is not None:
            self._ready: Any = ReadyQueue(order, self._stopped)

    def time(self) -> float:
        return self._time.seconds

    def close(self) -> None:
        super().close()
        self._collections.end()

    def run_forever(self) -> None:
        """Run until it is stopped. Raises UsageError naming the place that reached outside the simulation, also if the
        code there hid it."""
        with self._guard:
            super().run_forever()

    def _data_arrived(self) -> None:
        self._time.seconds += TRANSMISSION
        self._busy_turns = 0

    def _idle(self, seconds: float | None) -> None:
        if seconds is None:
            raise RigError(
                "the simulation stands still: each task waits, and no timer is set",
                where=f"{self._time.seconds:g} s after its start",
                do="give what is waited for a deadline, or let something happen",
            )
        self._time.seconds += seconds
        self._busy_turns = self._busy_turns + 1 if seconds == 0 else 0
        if self._busy_turns > MOST_BUSY_TURNS:
            raise RigError(
                "the simulation stands still: tasks run again and again, and none waits",
                where=f"{self._time.seconds:g} s after its start",
                do="wait for a condition, or on the clock, instead of polling",
            )

    # Processes (harness.core.processes.Processes).

    def stop_process(self, name: str) -> None:
        if not isinstance(self._ready, ReadyQueue):
            ready = ReadyQueue(self._order, self._stopped)
            ready.extend(self._ready)
            self._ready = ready
        self._stopped.add(name)

    def continue_process(self, name: str) -> None:
        waited = self._stopped.remove(name)
        # In the next turn, behind what the sockets bring: asyncio takes those before its timers.
        self.call_soon(self._ready.extend, waited)

    # Streams.

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        host = _loopback(host.decode() if isinstance(host, bytes) else host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, int(port or 0)))]

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("sock") is None:
            options["sock"] = self.bound_socket(host, port)
        for option in ("family", "flags", "reuse_address", "reuse_port"):
            options.pop(option, None)
        return await super().create_server(protocol_factory, **options)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("sock") is None:
            sock = self._sockets.make()
            try:
                sock.connect((_loopback(host), port))
            except OSError:
                sock.close()
                raise
            options["sock"] = sock
            if options.get("ssl") and options.get("server_hostname") is None:
                options["server_hostname"] = host
        for option in ("family", "flags", "proto", "local_addr", "happy_eyeballs_delay", "interleave", "all_errors"):
            options.pop(option, None)
        return await super().create_connection(protocol_factory, **options)

    def _make_ssl_transport(
        self,
        rawsock: Any,
        protocol: Any,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        **timeouts: Any,
    ) -> Any:
        kind = PlainLink if self._plain else SSLProtocol
        tls = kind(self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server)  # type: ignore[attr-defined]
        return tls._app_transport

    def bound_socket(self, host: Any, port: Any) -> socket.socket:
        """A socket that is bound there; port 0 is any free one. Raises OSError if it is taken."""
        sock = self._sockets.make()
        try:
            sock.bind((_loopback(host), int(port or 0)))
        except OSError:
            sock.close()
            raise
        return cast(socket.socket, sock)

    # What a thread would do.

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Call ``func`` at once: a thread's progress would depend on the machine."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except StopIteration as error:
            future.set_exception(RuntimeError(str(error)))
        except Exception as error:
            future.set_exception(error)
        return future

    # What leaves the process.

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("open a datagram socket")

    async def create_unix_connection(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("open a unix socket")

    async def create_unix_server(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("open a unix socket")

    async def connect_read_pipe(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("read a pipe")

    async def connect_write_pipe(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("write to a pipe")

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("start a process")

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        self._guard.refuse("start a process")

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:  # type: ignore[override]
        self._own(fd)
        super().add_reader(fd, callback, *args)

    def add_writer(self, fd: Any, callback: Any, *args: Any) -> None:  # type: ignore[override]
        self._own(fd)
        super().add_writer(fd, callback, *args)

    def _own(self, fd: Any) -> None:
        if not isinstance(fd, SimulatedSocket):
            self._guard.refuse("wait for a file of the operating system")

    def _make_self_pipe(self) -> None:
        """Nothing outside the loop wakes it."""

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def _loopback(host: Any) -> str:
    """The address of a host of the simulation, which is one machine. Raises OSError for another."""
    if host in (None, "", "localhost", "0.0.0.0"):
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(str(host)).is_loopback:
            return str(host)
    except ValueError:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
    raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
