"""The server's process, ``python -m harness.clusters.embedded.process.worker``. Its standard input is the socket.

It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson

from harness.clusters.embedded.cluster import EmbeddedCluster
from harness.clusters.embedded.errors import no_such_path
from harness.clusters.embedded.logs import Log
from harness.clusters.embedded.messages import JSON, Request, Response, Watch
from harness.clusters.embedded.process.channel import Channel
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError, UsageError
from harness.core.identifiers import Randomness
from harness.core.loop import new_runner

__all__ = ["main"]


class _Worker:
    """A cluster, and the requests and watches of the other process."""

    def __init__(self) -> None:
        self._cluster: EmbeddedCluster | None = None
        self._channel: Channel | None = None
        self._watches: dict[int, Watch] = {}
        self._logs: dict[int, _RemoteLog] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept_until_end: str | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, end: socket.socket) -> None:
        """Serve until the other end is closed."""
        self._channel = await Channel.open(end, self._received, lambda: self._ended.set_result(None))
        await self._ended
        for task in tuple(self._tasks):
            task.cancel()
        if self._cluster is not None:
            await self._cluster.stop()
        if self._kept_until_end is not None:
            shutil.rmtree(self._kept_until_end, ignore_errors=True)

    @property
    def channel(self) -> Channel:
        if self._channel is None:
            raise RuntimeError("a message before the channel is open")
        return self._channel

    @property
    def cluster(self) -> EmbeddedCluster:
        if self._cluster is None:
            raise RuntimeError("a request before the start")
        return self._cluster

    def _received(self, message: list[Any]) -> None:
        kind, *arguments = message
        answers: dict[str, Callable[..., Coroutine[Any, Any, None] | None]] = {
            "start": self._start,
            "request": self._request,
            "unwatch": self._unwatch,
            "listen": self._listen,
            "log": self._log,
            "line": self._line,
        }
        work = answers[kind](*arguments)
        if work is not None:
            task = asyncio.ensure_future(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start(
        self,
        seed: int | None,
        namespace: str,
        groups: list[str] | None,
        state: str | None,
        until_end: bool,
        starter: int,
    ) -> None:
        """``groups``: as of a cluster's tap (:mod:`harness.clusters.cluster`); None without one. ``until_end``: whether
        the folder ``state`` goes when the other process, ``starter``, has closed its end."""
        self._kept_until_end = state if until_end else None
        self._cluster = EmbeddedCluster(
            SystemClock(),
            Randomness(seed),
            namespace,
            None if groups is None else _Tap(self.channel, groups),
            open_log=self._open_log,
            ready=lambda: self.channel.drained(),
            state=Path(state) if state is not None else None,
            starter=starter,
        )
        try:
            await self._cluster.start()
        except HarnessError as error:
            self.channel.send("failed", *_told(error))
            return
        self.channel.send("started")
        try:
            await self._cluster.lost()
        except HarnessError as error:
            self.channel.send("lost", *_told(error))

    def _request(
        self, number: int, client: str, method: str, path: str, query: Any, headers: Any, body: Any
    ) -> Coroutine[Any, Any, None] | None:
        given = b"" if body is None else body
        response = self.cluster.server.answer(Request(method, path, query, headers, given, client))
        if self.cluster.server.keeps_state:
            return self._answer_kept(number, response)
        return self._answer(number, response)

    async def _answer_kept(self, number: int, response: Response) -> None:
        """Answer once all that the answer shows is kept. A client may give up its watch before."""
        if response.watcher is not None:
            self._watches[number] = response.watcher
        kept = await self.cluster.server.kept(response)
        if kept.watcher is None:
            self._watches.pop(number, None)
        follow = self._answer(number, kept)
        if follow is not None:
            await follow

    def _answer(self, number: int, response: Response) -> Coroutine[Any, Any, None] | None:
        plain = response.content_type != JSON  # for a path where nothing is, in words that a browser shows
        content = no_such_path().status() if plain else orjson.Fragment(response.content.encode())
        self.channel.send("answer", number, response.status, content, response.watcher is not None)
        return self._watch(number, response.watcher) if response.watcher is not None else None

    async def _watch(self, number: int, watcher: Watch) -> None:
        self._watches[number] = watcher
        try:
            while (pieces := await watcher.read()) is not None:
                lines = b"".join(pieces).splitlines()
                self.channel.send("events", number, orjson.Fragment(b"[" + b",".join(lines) + b"]"))
                await self.channel.drained()
            self.channel.send("unwatched", number)
        finally:
            watcher.close()
            self._watches.pop(number, None)

    def _unwatch(self, number: int) -> None:
        if number in self._watches:
            self._watches[number].close()

    async def _listen(self, *program: Any) -> None:
        """Listen, and let in a program: its token, its name, and its clients."""
        try:
            (host, port), authority, token = await self.cluster.listen()
            if program:
                given, name, clients = program
                self.cluster.admit(given, name, clients=clients)
        except HarnessError as error:
            self.channel.send("failed", *_told(error))
        else:
            self.channel.send("listening", host, port, base64.b64encode(authority).decode(), token)

    async def _open_log(self, name: str) -> Log | None:
        number = next(n for n in range(len(self._logs) + 1) if n not in self._logs)
        log = self._logs[number] = _RemoteLog(lambda: self._leave_log(number))
        self.channel.send("log", number, name)
        if await log.found:
            return log
        del self._logs[number]
        return None

    def _leave_log(self, number: int) -> None:
        del self._logs[number]
        self.channel.send("unlog", number)

    def _log(self, number: int, lines: list[str] | None) -> None:
        if number in self._logs:
            self._logs[number].begin(lines)

    def _line(self, number: int, line: str) -> None:
        if number in self._logs:
            self._logs[number].put(line)


class _Tap:
    """Sends what a tap is called with to the other process."""

    def __init__(self, channel: Channel, groups: list[str]) -> None:
        self._channel, self.groups = channel, frozenset(groups)

    def __call__(self, *event: Any) -> None:
        self._channel.send("tap", *event)


def _told(error: HarnessError) -> tuple[str, str | None, str | None, bool]:
    """An error for the other process."""
    return error.what, error.where, error.do, isinstance(error, UsageError)


class _RemoteLog:
    """A board's console, in the other process."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self.found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.stamped: list[str] = []
        self._listener: Callable[[str], object] | None = None

    def begin(self, lines: list[str] | None) -> None:
        self.stamped = lines or []
        if not self.found.done():
            self.found.set_result(lines is not None)

    def put(self, line: str) -> None:
        if self._listener is not None:
            self._listener(line)
        else:
            self.stamped.append(line)

    def listen_stamped(self, listener: Callable[[str], object], /) -> Callable[[], None]:
        self._listener = listener
        return self._leave


def main() -> None:
    """Serve on the socket. Signals are for the process that started this one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    async def serve() -> None:
        await _Worker().run(socket.socket(fileno=sys.stdin.fileno()))

    with new_runner() as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
