"""One QEMU process: starts it, sends it commands, and ends it without leftovers.

The monitor, the link and the console are socket pairs that exist before QEMU starts, so there is no port that could be
taken, no path that could be too long, and nothing to wait for. If the system supports it, QEMU dies with its parent, so
that a killed test run leaves no emulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from typing import Any

from qemu.qmp import ExecuteError, QMPClient, QMPError

from harness.core.clock import Clock
from harness.core.errors import RigError, reason

__all__ = ["Machine", "line_pair"]

# `exited` reports QEMU's exit; the library would log it as another error.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # noqa: TID251


ON_THE_LINE = 4096
"""Bytes for the board that the system buffers. They cannot be taken back, and arrive before later ones."""
UNREAD_ON_THE_LINE = 4 << 20
"""The same for bytes from the board, by the system's accounting; ``net.core.wmem_max`` limits it."""


class Machine:
    """A QEMU system emulator with a link and a console.

    ``arguments`` are the program's arguments, except those for the monitor and the serial lines. ``link`` and
    ``console`` are the protocols on the harness's side of the two serial lines, in that order if ``link_first``.
    ``files`` are descriptors that the process inherits. ``roomy`` lines buffer many thousands of bytes written one by
    one; other lines buffer a few hundred.
    """

    START_WITHIN = 20.0
    STOP_WITHIN = 2.0

    def __init__(
        self,
        name: str,
        program: str,
        arguments: Sequence[str],
        *,
        link: asyncio.Protocol,
        console: asyncio.Protocol,
        link_first: bool = True,
        files: Sequence[int] = (),
        roomy: bool = False,
        clock: Clock,
    ) -> None:
        self.name = name
        self.command = [program, *arguments]
        self.exited: asyncio.Future[int] | None = None
        self._protocols = (link, console)
        self._serials = ("link", "console") if link_first else ("console", "link")
        self._files = tuple(files)
        self._pair = _tcp_pair if roomy else line_pair
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._qmp = QMPClient(name)
        self._transports: list[asyncio.BaseTransport] = []
        self._stderr = b""
        self._watch: asyncio.Task[None] | None = None
        self._listener: Callable[[dict[str, Any]], object] | None = None
        self._events: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The emulator's process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, on_event: Callable[[dict[str, Any]], object] | None = None, *, paused: bool = False) -> None:
        """Start it. Returns when the firmware runs; if ``paused``, before that. ``on_event`` gets every QMP event.

        Raises RigError with QEMU's error output when it does not start.
        """
        pairs = [socket.socketpair(), self._pair(), self._pair()]
        ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        ours[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ON_THE_LINE)
        try:
            self._process = await self._spawn([end.fileno() for end in theirs])
        except BaseException:
            for end in ours:
                end.close()
            raise
        finally:
            for end in theirs:
                end.close()
        loop = asyncio.get_running_loop()
        self.exited = loop.create_future()
        self._watch = loop.create_task(self._wait(self._process), name=f"qemu {self.name}")
        await self._open_lines(ours)
        await self._open_monitor(ours[0], on_event, paused)

    async def _spawn(self, descriptors: Sequence[int]) -> asyncio.subprocess.Process:
        """Start QEMU with these descriptors as its monitor, link and console."""
        monitor, link, console = descriptors
        command = [
            *_dies_with_parent(),
            *self.command,
            *("-nodefaults", "-display", "none", "-S"),
            *("-chardev", f"socket,id=qmp,fd={monitor}", "-mon", "chardev=qmp,mode=control"),
            *("-chardev", f"socket,id=link,fd={link}"),
            *("-chardev", f"socket,id=console,fd={console}"),
            *(part for serial in self._serials for part in ("-serial", f"chardev:{serial}")),
        ]
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(*descriptors, *self._files),
                start_new_session=True,
            )
        except OSError as error:
            raise RigError(
                f"{command[0]} did not start: {reason(error)}", where=self.name, do="run `wasmbed doctor`"
            ) from error

    async def _open_lines(self, ends: Sequence[socket.socket]) -> None:
        """Connect link and console to their protocols. ``ends``: monitor, link and console; closed if that fails."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as unused:
            for end in ends:
                unused.callback(end.close)
            for end, protocol in zip(ends[1:], self._protocols, strict=True):
                end.setblocking(False)
                transport, _ = await loop.create_connection(lambda protocol=protocol: protocol, sock=end)  # type: ignore[misc]
                self._transports.append(transport)
            unused.pop_all()

    async def _open_monitor(
        self, end: socket.socket, on_event: Callable[[dict[str, Any]], object] | None, paused: bool
    ) -> None:
        try:
            async with self._clock.deadline(self.START_WITHIN):
                await self._qmp.connect(end)
                if on_event is not None:
                    self._listener = on_event
                    self._events = asyncio.get_running_loop().create_task(self._listen(), name=f"qmp {self.name}")
                if not paused:
                    await self._qmp.execute("cont")
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            end.close()
            await self.kill()
            raise RigError(
                f"QEMU did not come up: {self.error_text or reason(error)}",
                where=self.name,
                do="check the machine's name and image in its board.toml; `wasmbed doctor` names the QEMU found",
            ) from error

    async def _listen(self) -> None:
        with self._qmp.listener() as events:
            async for event in events:
                if self._listener is not None:
                    self._listener(dict(event))

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        self._stderr = await process.stderr.read()
        code = await process.wait()
        assert self.exited is not None
        if not self.exited.done():
            self.exited.set_result(code)

    @property
    def error_text(self) -> str:
        """QEMU's error output without warnings, once it has ended."""
        lines = self._stderr.decode("utf-8", "replace").splitlines()
        return "\n".join(line for line in lines if "warning: " not in line).strip()

    async def execute(self, command: str, **arguments: Any) -> Any:
        """Execute a QMP command. Raises RigError if QEMU refuses it or has ended."""
        try:
            return await self._qmp.execute(command, arguments)
        except (ExecuteError, QMPError, EOFError, OSError) as error:
            raise RigError(f"QEMU refused {command}: {reason(error)}", where=self.name) from error

    async def monitor(self, command: str) -> str:
        """Execute a command of QEMU's human monitor; returns its output."""
        return str(await self.execute("human-monitor-command", **{"command-line": command}))

    async def stop(self) -> None:
        """Ask QEMU to quit and wait; kill it if it does not end within :attr:`STOP_WITHIN` seconds."""
        if self.pid is None:
            return await self._release()
        with contextlib.suppress(RigError):
            await self.execute("quit")
        try:
            async with self._clock.deadline(self.STOP_WITHIN):
                assert self.exited is not None
                await asyncio.shield(self.exited)
        except TimeoutError:
            return await self.kill()
        return await self._release()

    async def kill(self) -> None:
        """Kill QEMU, as a power cut does to a board."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._release()

    async def _release(self) -> None:
        if self._watch is not None:
            await self._watch
        if self._events is not None:
            self._events.cancel()
            await asyncio.gather(self._events, return_exceptions=True)
        with contextlib.suppress(QMPError, EOFError, OSError):
            await self._qmp.disconnect()
        for transport in self._transports:
            transport.close()
        self._transports.clear()


def line_pair() -> tuple[socket.socket, socket.socket]:
    """Return the harness's end of a serial line and the emulator's, which writes byte by byte.

    Linux accounts almost a kilobyte for each small write to such a socket. With the default limit a line is full after
    278 unread bytes, and a firmware drops bytes that it cannot send for about a second.
    """
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_ON_THE_LINE)
    return ours, theirs


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return a pair of TCP sockets: unlike a socket pair, TCP combines small writes in its buffer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, peer = server.accept()
        while peer != near.getsockname():  # another program connected first
            far.close()
            far, peer = server.accept()
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def _dies_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    # If the parent ended before the signal was requested, no signal comes: check for that.
    alive = 'parent=$1; shift; test "$PPID" = "$parent" && exec "$@"'
    return [setpriv, "--pdeathsig", "KILL", "sh", "-c", alive, "sh", str(os.getpid())]
