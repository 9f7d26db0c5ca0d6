"""The process of the server: started, spoken to and ended."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from harness.clusters.cluster import Cluster
from harness.clusters.embedded.client import EmbeddedApi
from harness.clusters.embedded.kubeconfig import write_kubeconfig
from harness.clusters.embedded.logs import FindLog
from harness.clusters.embedded.process.channel import Channel
from harness.clusters.embedded.process.server import RemoteServer
from harness.clusters.gate import Gate
from harness.core.clock import Clock
from harness.core.errors import HarnessError, RigError, UsageError, reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.order import Order
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

__all__ = ["EmbeddedProcessCluster"]

_WORKER = "harness.clusters.embedded.process.worker"
_STATE = "wasmbed-state-"
"""The prefix of the names of the folders of state, in the folder for temporary files."""
_ENDS_WITHIN = 10.0
"""Seconds; a server finishes the request that it is working on first."""


class EmbeddedProcessCluster(Cluster):
    """The embedded API server in a process of its own, on the machine's clock."""

    kind: ClassVar[str] = "embedded-process"
    has_gates: ClassVar[bool] = False
    keeps_state: ClassVar[bool] = True
    can_restart: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = frozenset(("own_server",))

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        namespace: str = DEFAULT_NAMESPACE,
        tap: Tap | None = None,
        *,
        state: Path | None = None,
        own_server: bool = False,
    ) -> None:
        """``state``: a folder to go on from, in which everything is kept before it is acknowledged. ``own_server``: as
        with one, which is made here and goes at the end."""
        self._state, self._keeps_until_end = state, own_server and state is None
        self._clock, self._randomness, self.namespace, self._tap = clock, randomness, namespace, tap
        self._order: Order = getattr(tap, "order", None) or Order()
        self._let_in: list[tuple[Any, ...]] = []
        """Whom a new server has to let in, too: token, name and clients of each program; an empty entry for those who
        have the server's own kubeconfig."""
        self._find_log: FindLog = lambda name: None
        self._followed: dict[int, Callable[[], None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None
        self._server = RemoteServer(lambda: self._channel if self._serves else None)
        self._serves = False
        self._reply: asyncio.Future[list[Any]] | None = None
        self._failed: asyncio.Future[HarnessError] | None = None
        """The error with which the server gave up, while its process goes on."""
        self._disconnected = asyncio.Event()
        self._restarts = 0

    async def start(self) -> None:
        if self._keeps_until_end:
            self._state = Path(tempfile.mkdtemp(prefix=_STATE))
        await self._start(self._randomness.seed)

    async def _start(self, seed: int | None) -> None:
        self._failed = asyncio.get_running_loop().create_future()
        here, there = socket.socketpair()
        with there:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    _WORKER,
                    stdin=there.fileno(),
                    start_new_session=True,
                )
            except OSError as error:
                here.close()
                raise RigError(
                    f"the embedded cluster's process cannot be started: {reason(error)}",
                    where=sys.executable,
                    do="see what limits processes here (ulimit -a)",
                ) from error
        self._disconnected.clear()
        self._channel = await Channel.open(here, self._received, self._lost)
        state = str(self._state.absolute()) if self._state is not None else None
        groups = None if self._tap is None else sorted(getattr(self._tap, "groups", ()))
        await self._ask("start", seed, self.namespace, groups, state, self._keeps_until_end, os.getpid())
        self._serves = True

    async def kill(self) -> None:
        if self._state is None:
            raise self._keeps_its_server()
        process, self._process = self._process, None
        if process is None:
            raise UsageError("its API server does not run", where=f"cluster {self.kind}", do="restart() it first")
        with suppress(ProcessLookupError):  # it has ended by itself
            process.kill()
        await process.wait()
        await self._disconnected.wait()

    async def restart(self) -> None:
        if self._state is None:
            raise self._keeps_its_server()
        if self._process is not None:
            raise UsageError("its API server runs", where=f"cluster {self.kind}", do="kill() it first")
        self._restarts += 1
        # The seed of the start would give new objects the identifiers of those that are there.
        await self._start(self._randomness.fork(f"restart {self._restarts}").seed)
        for each in self._let_in:
            await self._ask("listen", *each)

    async def stop(self) -> None:
        try:
            await self._end()
        finally:
            if self._keeps_until_end and self._state is not None:
                shutil.rmtree(self._state, ignore_errors=True)

    async def _end(self) -> None:
        process, self._process = self._process, None
        channel, self._channel = self._channel, None
        self._server.lost()
        if channel is not None:
            channel.close()
        if process is None:
            return
        try:
            async with self._clock.deadline(_ENDS_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def lost(self) -> None:
        if self._process is None or self._failed is None:
            raise RigError("the embedded cluster is not started", do="call start() first")
        ended = asyncio.ensure_future(self._process.wait())
        done, _ = await asyncio.wait((ended, self._failed), return_when=asyncio.FIRST_COMPLETED)
        if self._failed in done:
            raise self._failed.result()
        code = ended.result()
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        raise RigError(
            f"the Kubernetes API server ended by itself ({how})",
            where=f"cluster {self.kind}",
            do="see what it said above, and whether the machine has memory left",
        )

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, for accounting."""
        return self._process.pid if self._process is not None else None

    def client(self, name: str) -> ResourceApi:
        return EmbeddedApi(self._server, self.namespace, name)

    async def write_kubeconfig(self, path: Path) -> None:
        host, port, authority, token = await self._listen()
        write_kubeconfig(path, (host, port), base64.b64decode(authority), token, self.namespace)

    async def give_access(self, name: str, path: Path, gate: Gate | None = None, clients: Collection[str] = ()) -> None:
        """As of every cluster, but requests that come over the socket pass no gate here."""
        token = Randomness().token(32)
        host, port, authority, _ = await self._listen(token, name, tuple(clients))
        write_kubeconfig(path, (host, port), base64.b64decode(authority), token, self.namespace)

    async def _listen(self, *whom: Any) -> list[Any]:
        """Have the server listen and let in a program; the reply is its address, authority, and own token."""
        reply = await self._ask("listen", *whom)
        self._let_in.append(whom)
        return reply

    def serve_logs(self, find: FindLog) -> None:
        """Offer boards' consoles as the logs of their Devices, to those whom :meth:`write_kubeconfig` lets in."""
        self._find_log = find

    async def _ask(self, *message: Any) -> list[Any]:
        """Send a message and return the reply; one at a time. Raises the server's error."""
        if self._channel is None:
            raise RigError("the embedded cluster is not started", do="call start() first")
        self._reply = asyncio.get_running_loop().create_future()
        self._channel.send(*message)
        kind, *reply = await self._reply
        if kind == "failed":
            raise _error(*reply)
        return reply

    def _received(self, message: list[Any]) -> None:
        kind, *arguments = message
        match kind:
            case "tap" if self._tap is not None:
                self._order.put(partial(self._tap, *arguments))
            case "answer":
                self._server.answered(*arguments)
            case "events":
                self._server.delivered(*arguments)
            case "unwatched":
                self._server.unwatched(*arguments)
            case "log":
                self._follow(*arguments)
            case "unlog":
                self._followed.pop(arguments[0], lambda: None)()
            case "lost" if self._failed is not None and not self._failed.done():
                self._failed.set_result(_error(*arguments))
            case "started" | "listening" | "failed" if self._reply is not None:
                self._reply.set_result(message)

    def _follow(self, number: int, name: str) -> None:
        channel, log = self._channel, self._find_log(name)
        if channel is None or log is None:
            lines = None
        else:
            lines = list(log.stamped)
            self._followed[number] = log.listen_stamped(lambda line: channel.send("line", number, line))
        if channel is not None:
            channel.send("log", number, lines)

    def _lost(self) -> None:
        self._channel, self._serves = None, False
        self._disconnected.set()
        self._server.lost()
        for stop in self._followed.values():
            stop()
        self._followed.clear()
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(["failed", "it ended", "the embedded cluster's process", None, False])


def _error(what: str, where: str | None, do: str | None, usage: bool) -> HarnessError:
    return (UsageError if usage else RigError)(what, where=where, do=do)
