"""The output of a board, as the ``log`` of its Device: asked for and followed like a Pod's log in Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import unquote

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.query import integer
from harness.clusters.requests import flag
from harness.core.clock import Clock
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["FindLog", "Log", "Logs", "OpenLog"]

_BEHIND = 10_000
"""Lines that a reader may be behind; one that is further loses the connection."""
_BEHIND_CHARACTERS = 4 << 20
"""The same in characters."""


class Log(Protocol):
    """Lines of text that grow, such as a board's console. Each is behind its time (RFC 3339 with six decimals) and a
    space."""

    @property
    def stamped(self) -> Sequence[str]:
        """The lines still kept."""

    def listen_stamped(self, listener: Callable[[str], object], /) -> Callable[[], None]:
        """Call ``listener`` with every further line; returns a function that unsubscribes."""


FindLog = Callable[[str], Log | None]
"""The log of the Device of that name, if there is one."""

OpenLog = Callable[[str], Awaitable[Log | None]]
"""The same, fetched if necessary."""


class Logs:
    """The logs of one namespace's Devices. ``find`` knows them by name."""

    def __init__(self, namespace: str, find: OpenLog, clock: Clock) -> None:
        self._path = ("apis", DEVICE.group, DEVICE.version, "namespaces", namespace, DEVICE.plural)
        self._find, self._clock = find, clock
        self._readers: set[_Reader] = set()

    def name(self, path: str) -> str | None:
        """The Device whose log is at a path; None for any other path."""
        parts = tuple(unquote(part) for part in path.split("/") if part)
        return parts[-2] if len(parts) == 8 and parts[:6] == self._path and parts[-1] == "log" else None

    async def open(self, method: str, query: Mapping[str, str], name: str) -> AsyncGenerator[bytes, None]:
        """The log, in pieces. Raises :class:`StatusError`."""
        if method != "GET":
            raise StatusError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        tail = integer(query, "tailLines")
        if tail is not None and tail < 0:
            cause = errors.invalid_value("tailLines", tail, "must be greater than or equal to 0")
            raise errors.invalid("", "PodLogOptions", "", [cause])
        since = integer(query, "sinceSeconds")
        if since is not None and since <= 0:
            cause = errors.invalid_value("sinceSeconds", since, "must be greater than 0")
            raise errors.invalid("", "PodLogOptions", "", [cause])
        log = await self._find(name)
        if log is None:
            raise StatusError(404, "NotFound", f"there is no board of device {name} here")
        oldest = "" if since is None else format_timestamp(self._clock.now() - since)
        follow, stamped = flag(query, "follow"), flag(query, "timestamps")
        return self._read(log, tail, oldest, follow=follow, stamped=stamped)

    async def _read(
        self, log: Log, tail: int | None, oldest: str, *, follow: bool, stamped: bool
    ) -> AsyncGenerator[bytes, None]:
        def shown(line: str) -> str:
            return f"{line if stamped else line.partition(' ')[2]}\n"

        reader = _Reader()
        stop = log.listen_stamped(reader.put)
        self._readers.add(reader)
        try:
            known = [line for line in log.stamped if line >= oldest]  # times of one form, so that texts compare
            lines = known if tail is None else known[len(known) - min(tail, len(known)) :]
            yield "".join(map(shown, lines)).encode()
            if follow:
                async for line in reader:
                    yield shown(line).encode()
        finally:
            stop()
            self._readers.discard(reader)

    def close(self) -> None:
        """End what is followed."""
        for reader in self._readers:
            reader.end()


class _Reader:
    """The lines that wait for one reader, which may not read at all: they end with the last line that fits."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._characters = 0
        self._ended = False

    def put(self, line: str) -> None:
        if self._lines.qsize() >= _BEHIND or self._characters >= _BEHIND_CHARACTERS:
            self.end()
        elif not self._ended:
            self._characters += len(line)
            self._lines.put_nowait(line)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._lines.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._characters -= len(line)
            yield line
