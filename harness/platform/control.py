"""The supervisor's socket, by which ``wasmbed platform`` asks it: a request is a line of JSON, and so is each answer.

``{"do": "status"}``, ``{"do": "restart", "programs": [...]}``, ``{"do": "logs", "programs": [...], "tail": N,
"follow": true}``, ``{"do": "stop"}``. An answer is ``{"error": ..., "advice": ...}``, or what was asked for; the
connection's end ends it. The socket's folder can be entered by its owner only.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.core.errors import RigError, UsageError, reason
from harness.platform.supervised import Supervised
from harness.platform.supervisor import Supervisor

__all__ = ["Control", "ask", "is_running"]

_UNREAD = 10_000
"""Lines that wait for a follower; one that does not keep up loses the oldest."""


class Control:
    """Serves the socket. ``stop`` is called when a client asks for the end."""

    def __init__(self, path: Path, supervisor: Supervisor, stop: Callable[[], object]) -> None:
        self._path, self._supervisor, self._stop = path, supervisor, stop
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._lock = -1
        """Descriptor of the file that one supervisor at a time has locked, until its process ends."""

    async def start(self) -> None:
        """Listen. Raises UsageError if another supervisor does, or begins to; RigError if that fails."""
        self._lock = self._take()
        try:
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._accept, str(self._path))
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    async def close(self) -> None:
        """End it: a client that waits for the end sees it now."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        os.close(self._lock)

    def _take(self) -> int:
        """Lock the file beside the socket; returns its descriptor."""
        try:
            descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            do = "see wasmbed platform status; stop it before you start it with other settings"
            raise UsageError("a platform runs here already", where=str(self._path.parent), do=do) from error
        return descriptor

    def _unusable(self, error: Exception) -> RigError:
        do = "name a shorter platform.folder, on a local file system"
        return RigError(f"cannot listen: {reason(error)}", where=str(self._path), do=do)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        gone: asyncio.Task[bytes] | None = None
        try:
            request = json.loads(await reader.readline())
            gone = asyncio.create_task(reader.read())
            gone.add_done_callback(lambda _: client is not None and client.cancel())
            async for answer in self._answers(request if isinstance(request, dict) else {}):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # the client is gone, or is none of ours
        finally:
            if gone is not None:
                gone.cancel()
            writer.close()

    async def _answers(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        names: Sequence[str] = request.get("programs") or ()
        try:
            match request.get("do"):
                case "status":
                    yield self._supervisor.status()
                case "restart":
                    yield {"restarted": await self._supervisor.restart(names)}
                case "logs":
                    programs = self._supervisor.find(names)
                    async for line in _lines(programs, request.get("tail"), follow=bool(request.get("follow"))):
                        yield line
                case "stop":
                    yield self._supervisor.status()
                    self._stop()
                    await asyncio.get_running_loop().create_future()  # until the connection ends: all is down then
                case other:
                    yield {"error": f"unknown request {other!r}", "advice": "use the wasmbed of the same version"}
        except UsageError as error:
            yield {"error": error.what, "advice": error.do}


async def _lines(programs: Sequence[Supervised], tail: int | None, *, follow: bool) -> AsyncIterator[dict[str, Any]]:
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def follower(name: str) -> Callable[[str], object]:
        def put(line: str) -> None:
            if queue.qsize() >= _UNREAD:
                queue.get_nowait()
            queue.put_nowait({"program": name, "line": line})

        return put

    followers = [(program, follower(program.specification.name)) for program in programs]
    for program, put in followers:
        lines = list(program.lines)
        for line in lines[max(0, len(lines) - tail) :] if tail is not None else lines:
            put(line)
        if follow:
            program.followers.add(put)
    try:
        while follow or not queue.empty():
            yield await queue.get()
    finally:
        for program, put in followers:
            program.followers.discard(put)


async def ask(path: Path, **request: Any) -> AsyncIterator[dict[str, Any]]:
    """The answers of the supervisor at ``path``. Raises UsageError if none runs, and for what it refuses."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        do = "start it: wasmbed platform deploy"
        raise UsageError("no platform runs here", where=str(path.parent), do=do) from error
    except (OSError, ValueError) as error:
        do = "use the account that started it"
        raise UsageError(f"the platform cannot be asked: {reason(error)}", where=str(path), do=do) from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        while line := await reader.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise UsageError(answer["error"], where="PROGRAM", do=answer["advice"])
            yield answer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def is_running(path: Path) -> bool:
    """Whether a supervisor answers at ``path``."""
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except (OSError, ValueError):
        return False
    writer.close()
    return True
