"""The harness's end of a Renode host: starts it, sends requests, notices its end, and removes its files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from harness.boards.renode.installation import GET_IT, MINIMUM
from harness.boards.renode.requests import Execute, Load, Request, Save, encode_request
from harness.core.clock import Clock
from harness.core.errors import HarnessError, RigError, UsageError, reason

__all__ = ["HostProcess"]

SHOWN = 4000
"""Characters of an ended host's output that an error shows."""
ANSWER_LIMIT = 4 << 20


class HostProcess(asyncio.SubprocessProtocol):
    """One host process with its Renode, and its files in :attr:`folder`. It needs no task."""

    START_WITHIN = 60.0
    ANSWER_WITHIN = 60.0

    def __init__(self, name: str, clock: Clock, command: list[str] | None = None) -> None:
        self.name = name
        self.version: tuple[int, ...] = ()
        self.via = ""
        self.renode_pid: int | None = None
        self.on_end: Callable[[RigError], object] | None = None
        self.clock = clock
        self._command = command or [sys.executable, "-m", "harness.boards.renode.host"]
        self._folder: Path | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._partial = {1: b"", 2: b""}
        self._error_lines: list[str] = []
        self._number = 0
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ready: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._wanted = True
        self.failure: RigError | None = None
        """Why the host ended by itself; None while it runs, and if the harness ended it."""

    @property
    def folder(self) -> Path:
        """A folder for this host's files, deleted with it. Its path is short, because it has pseudo terminals and
        sockets."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="wasmbed-renode-"))
        return self._folder

    @property
    def pid(self) -> int | None:
        """The host's process while it runs."""
        return self._transport.get_pid() if self._transport is not None and self._gone is None else None

    @property
    def pids(self) -> list[int]:
        """The host's process, and Renode's if that is another one."""
        return [pid for pid in dict.fromkeys((self.pid, self.renode_pid)) if pid is not None and self.pid is not None]

    async def start(self) -> None:
        """Start the host; returns when Renode runs. Raises RigError with Renode's output if it does not, or is too
        old."""
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        try:
            await loop.subprocess_exec(
                lambda: self,
                *self._command,
                str(self.folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            async with self.clock.deadline(self.START_WITHIN):
                await self._ready
        except TimeoutError:
            await self.kill()
            raise self._error(f"did not come up within {self.START_WITHIN:g} s") from None
        except BaseException as error:
            await self.kill()
            if isinstance(error, OSError):
                raise self._error(f"its host did not start: {reason(error)}") from error
            raise
        if self.version < MINIMUM:
            await self.kill()
            found, needed = (".".join(map(str, parts)) or "unknown" for parts in (self.version, MINIMUM))
            raise self._error(f"it is version {found}, {needed} or newer is needed")

    async def ask(self, request: Request) -> str:
        """Send a request and return its value. Raises RigError with Renode's message, UsageError for an invalid
        request."""
        if self.failure is not None:
            raise self.failure
        if self._transport is None or self.pid is None:
            raise RigError("the host is not running", where=self.name, do="power a board on first")
        self._number += 1
        self._asked[self._number] = answer = asyncio.get_running_loop().create_future()
        pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        pipe.write(encode_request(self._number, request))
        try:
            async with self.clock.deadline(self.ANSWER_WITHIN):
                facts = await answer
        except TimeoutError:
            self.failure = self._error(f"did not answer {type(request).__name__} within {self.ANSWER_WITHIN:g} s")
            await self.kill()
            raise self.failure from None
        if "usage" in facts:
            raise UsageError(facts["usage"]["what"], where=facts["usage"]["where"], do=facts["usage"]["do"])
        if "failure" in facts:
            raise self._refused(request, facts["failure"])
        return str(facts["value"])

    async def kill(self) -> None:
        """Kill the host and its Renode, and delete its folder."""
        self._wanted = False
        if self._transport is not None:
            for pid in (self._transport.get_pid(), self.renode_pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    if pid is not None and self._gone is None:
                        os.killpg(pid, signal.SIGKILL)
            if self._gone is None:
                self._gone = asyncio.get_running_loop().create_future()
            await self._gone
            self._transport.close()
            self._transport = None
        self.dispose()

    def dispose(self) -> None:
        """Delete the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        *lines, self._partial[fd] = (self._partial[fd] + data).split(b"\n")
        for line in lines:
            if fd == 1:
                self._receive(json.loads(line))
            else:
                self._error_lines = [*self._error_lines, line.decode("utf-8", "replace")][-20:]

    def process_exited(self) -> None:
        # Renode is in another session. Its parent has ended, so the system or its closed input ends it.
        code = self._transport.get_returncode() if self._transport is not None else None
        if self._wanted and self.failure is None:
            self._ended(f"its host ended with status {code}", "\n".join(self._error_lines))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        if not self._gone.done():
            self._gone.set_result(None)

    def _receive(self, facts: dict[str, Any]) -> None:
        event = facts.get("event")
        if event == "ready":
            self.version = tuple(int(part) for part in facts["version"].split(".") if part)
            self.via, self.renode_pid = facts["via"], facts["pid"]
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        elif event == "ended":
            status = "" if facts["status"] is None else f" with status {facts['status']}"
            self._ended(f"it ended{status}", facts["output"])
        elif (answer := self._asked.pop(facts["id"], None)) is not None and not answer.done():
            answer.set_result(facts)

    def _ended(self, what: str, output: str) -> None:
        last_output = f"; its last output:\n{output.strip()[-SHOWN:]}" if output.strip() else ""
        self.failure = self._error(what + last_output)
        waiting: list[asyncio.Future[Any]] = [*self._asked.values()]
        if self._ready is not None:
            waiting.append(self._ready)
        for future in waiting:
            if not future.done():
                future.set_exception(self.failure)
        self._asked.clear()
        if self.on_end is not None:
            self.on_end(self.failure)

    def _error(self, what: str) -> RigError:
        return RigError(what, where=f"Renode ({self.name})", do=f"run `wasmbed doctor`; {GET_IT}")

    def _refused(self, request: Request, failure: dict[str, Any]) -> HarnessError:
        log = "".join(f"\n    {line}" for line in failure["log"][:5])
        if isinstance(request, Execute) and failure["command"] == request.command.strip():
            return UsageError(
                f"Renode refused `{failure['command']}`: {failure['message']}{log}",
                where=request.name,
                do="try the command in Renode's monitor, on the machine of the board's .resc",
            )
        if isinstance(request, Save | Load):
            do = "check that there is disk space for it and that the file is from this version of Renode"
        else:
            do = "compare the board's .repl and board.toml with this version of Renode: load its .resc by hand"
        return RigError(
            f"Renode refused `{failure['command']}`: {failure['message']}{log}", where=f"Renode ({self.name})", do=do
        )
