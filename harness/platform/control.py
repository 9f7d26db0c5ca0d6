"""The socket by which commands ask a running platform: a request is a line of JSON, and so is each answer.

A request is ``{"do": ...}`` with what it needs: see :mod:`harness.platform.requests` for a supervisor's, and
:mod:`harness.cli.up_requests` for those of ``wasmbed up``. An answer is ``{"error": ..., "advice": ...}``, or what was
asked for; the connection's end ends it. Only the owner can connect.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.core.errors import RigError, UsageError, reason

__all__ = ["Answers", "Control", "ask", "is_running", "unknown_request"]

Answers = Callable[[dict[str, Any]], AsyncIterator[dict[str, Any]]]
"""Gives the answers to a request. Raises UsageError for one that is refused."""
_LONGEST = 65_536
"""Bytes of a request."""
_OWNER_ONLY = 0o177


class Control:
    """Serves the socket with the ``answers`` to each request."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path, self._answers = path, answers
        self._lock_file = path.with_suffix(".lock")
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._lock = -1
        """Descriptor of the file that one supervisor at a time has locked, until its process ends."""

    async def start(self) -> None:
        """Listen. Raises UsageError if another supervisor does, or begins to; RigError if that fails."""
        self._lock = self._take()
        try:
            self._path.unlink(missing_ok=True)
            before = os.umask(_OWNER_ONLY)
            try:
                self._server = await asyncio.start_unix_server(self._accept, str(self._path), limit=_LONGEST)
            finally:
                os.umask(before)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    async def close(self) -> None:
        """End it: a client that waits for the end sees it now."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        if self._lock >= 0:  # before the clients' end: a client that sees it may start a platform here
            self._lock_file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _take(self) -> int:
        """Lock the file beside the socket; returns its descriptor."""
        while True:
            try:
                descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise self._unusable(error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(descriptor)
                do = "see wasmbed platform status; stop it before you start it with other settings"
                raise UsageError("a platform runs here already", where=str(self._path.parent), do=do) from error
            if self._is_there(descriptor):
                return descriptor
            os.close(descriptor)  # its holder ended meanwhile, and removed it

    def _is_there(self, descriptor: int) -> bool:
        """Whether the file that is locked is the one that others find."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._lock_file))
        except FileNotFoundError:
            return False

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
            async for answer in self._answered(request if isinstance(request, dict) else {}):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # the client is gone, or is none of ours
        finally:
            if gone is not None:
                gone.cancel()
            writer.close()

    async def _answered(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        try:
            async for answer in self._answers(request):
                yield answer
        except UsageError as error:
            yield {"error": error.what, "where": error.where, "advice": error.do}


def unknown_request(request: Mapping[str, Any]) -> UsageError:
    """The refusal of a request that is not known."""
    return UsageError(f"unknown request {request.get('do')!r}", do="use the wasmbed of the same version")


async def ask(path: Path, start: str = "wasmbed platform deploy", **request: Any) -> AsyncIterator[dict[str, Any]]:
    """The answers of the platform at ``path``, which ``start`` starts. Raises UsageError if none runs, and for what it
    refuses."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        do = f"start it: {start}"
        raise UsageError("no platform runs here", where=str(path.parent.absolute()), do=do) from error
    except (OSError, ValueError) as error:
        do = "use the account that started it"
        raise UsageError(f"the platform cannot be asked: {reason(error)}", where=str(path), do=do) from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        while line := await reader.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise UsageError(answer["error"], where=answer.get("where"), do=answer["advice"])
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
