"""Requests to a supervisor: ``{"do": "status", "follow": true}``, ``{"do": "restart", "programs": [...]}``,
``{"do": "logs", "programs": [...], "tail": N, "follow": true}``, ``{"do": "stop"}``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.core.errors import UsageError
from harness.platform.control import Answers, unknown_request
from harness.platform.supervised import Supervised
from harness.platform.supervisor import Supervisor

__all__ = ["supervisor_answers"]

_UNREAD = 10_000
"""Lines that wait for a follower; one that does not keep up loses the oldest."""


def supervisor_answers(supervisor: Supervisor, stop: Callable[[], object]) -> Answers:
    """The answers of a supervisor; ``stop`` is called when a client asks for the end."""

    async def answers(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        names: Sequence[str] = request.get("programs") or ()
        match request.get("do"):
            case "status":
                async for status in _statuses(supervisor, follow=bool(request.get("follow"))):
                    yield status
            case "restart":
                with _named():
                    restarted = await supervisor.restart(names)
                yield {"restarted": restarted}
            case "logs":
                with _named():
                    programs = supervisor.find(names)
                async for line in _lines(programs, request.get("tail"), follow=bool(request.get("follow"))):
                    yield line
            case "stop":
                yield supervisor.status()
                stop()
                await asyncio.get_running_loop().create_future()  # until the connection ends: all is down then
            case _:
                raise unknown_request(request)

    return answers


async def _statuses(supervisor: Supervisor, *, follow: bool) -> AsyncIterator[dict[str, Any]]:
    """The present status, and with ``follow`` each further one; changes that come at once are one."""
    changed = asyncio.Event()
    supervisor.watchers.add(changed.set)
    try:
        yield supervisor.status()
        while follow:
            await changed.wait()
            changed.clear()
            yield supervisor.status()
    finally:
        supervisor.watchers.discard(changed.set)


@contextmanager
def _named() -> Iterator[None]:
    """Name the argument in the error for an unknown program."""
    try:
        yield
    except UsageError as error:
        raise UsageError(error.what, where="PROGRAM", do=error.do) from error


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
