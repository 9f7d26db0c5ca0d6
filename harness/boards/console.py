"""The lines that a board writes on its console, and waiting for one."""

from __future__ import annotations

import asyncio
import codecs
import re
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from harness.core.clock import Clock, time_to_wait
from harness.core.errors import ProductFailure, UsageError
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Console"]

_SHOWN = 8
"""The lines that a failed expectation shows."""


class Console:
    """The lines of one board. At least the newest :attr:`KEPT` lines are kept, or fewer if these are longer than
    :attr:`KEPT_CHARACTERS` together."""

    KEPT = 10_000
    KEPT_CHARACTERS = 4 << 20
    LONGEST = 65_536
    """Characters after which an endless line is cut."""

    def __init__(self, board: str, clock: Clock) -> None:
        self.board = board
        self.lines: list[str] = []
        self._times: list[float] = []
        """When each of them was complete, in the clock's seconds."""
        self._characters = 0
        self._forgotten = 0
        self._read = (0, 0)
        """Where the next expectation begins: the number of a line, counted from the first, and a character in it."""
        self._clock = clock
        self._listeners: list[Callable[[str], object]] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""

    def listen(self, listener: Callable[[str], object]) -> Callable[[], None]:
        """Call ``listener`` with every further line; returns a function that unsubscribes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def stamped(self) -> list[str]:
        """The lines, each behind its time (RFC 3339 with six decimals) and a space."""
        return [f"{format_timestamp(at)} {line}" for at, line in zip(self._times, self.lines, strict=True)]

    def listen_stamped(self, listener: Callable[[str], object]) -> Callable[[], None]:
        """As :meth:`listen`, with lines as :attr:`stamped` has them."""
        return self.listen(lambda line: listener(f"{format_timestamp(self._times[-1])} {line}"))

    def feed(self, data: bytes) -> None:
        """Split bytes from a serial port into lines; bytes that are not UTF-8 are replaced."""
        *lines, self._partial = (self._partial + self._decoder.decode(data)).replace("\r\n", "\n").split("\n")
        for line in lines:
            self.write(line)
        while len(self._partial) >= self.LONGEST:
            self.write(self._partial[: self.LONGEST])
            self._partial = self._partial[self.LONGEST :]

    def end(self) -> None:
        """Write the incomplete last line, because the power is off; the next byte begins another line."""
        partial, self._partial = self._partial + self._decoder.decode(b"", final=True), ""
        if partial:
            self.write(partial)

    def write(self, line: str) -> None:
        """Add a complete line, given without its line end."""
        self.lines.append(line)
        self._times.append(self._clock.now())
        self._characters += len(line)
        if len(self.lines) >= 2 * self.KEPT or self._characters >= 2 * self.KEPT_CHARACTERS:
            self._forget_oldest()
        for listener in tuple(self._listeners):
            listener(line)

    def _forget_oldest(self) -> None:
        first = max(len(self.lines) - self.KEPT, 0)
        sizes = list(accumulate(len(line) for line in reversed(self.lines[first:])))
        kept = max(bisect_right(sizes, self.KEPT_CHARACTERS), 1)
        self._characters = sizes[kept - 1]
        self._forgotten += len(self.lines) - kept
        del self.lines[:-kept], self._times[:-kept]

    async def until(self, pattern: str, within: float = 5.0) -> re.Match[str]:
        """Wait until a line matches ``pattern``, a regular expression; lines that are already there count.

        Raises ProductFailure with the last lines if none matches ``within`` seconds.
        """
        wanted, within = _expression(pattern), time_to_wait(within)
        for line in self.lines:
            if match := wanted.search(line):
                return match
        return await self.until_next(pattern, within)

    async def expect(self, pattern: str, within: float = 5.0) -> re.Match[str]:
        """Wait for the first match of ``pattern``, a regular expression, behind that of the call before.

        So calls in a row expect an order, and a line that comes between two calls is not missed. Of two matches in
        one line the second is behind the first. Raises ProductFailure with the lines that came instead if there is none
        ``within`` seconds; the next call then begins at the same place.
        """
        wanted, within = _expression(pattern), time_to_wait(within)
        for number in range(max(self._read[0], self._forgotten), self._forgotten + len(self.lines)):
            if match := self._take(wanted, number):
                return match
        found: asyncio.Future[re.Match[str]] = asyncio.get_running_loop().create_future()

        def look(_: str) -> None:
            if not found.done() and (match := self._take(wanted, self._forgotten + len(self.lines) - 1)):
                found.set_result(match)

        stop = self.listen(look)
        try:
            async with self._clock.deadline(within):
                return await found
        except TimeoutError:
            raise self._unexpected(wanted, within) from None
        finally:
            stop()

    def _take(self, wanted: re.Pattern[str], number: int) -> re.Match[str] | None:
        """The match in the line of this number, which is read up to its end then."""
        first, character = self._read
        match = wanted.search(self.lines[number - self._forgotten], character if number == first else 0)
        if match:
            self._read = number, match.end()
        return match

    def _unexpected(self, wanted: re.Pattern[str], within: float) -> ProductFailure:
        number, character = self._read
        begin = max(number - self._forgotten, 0)
        before, unread = self.lines[:begin], self.lines[begin:]
        if character and unread and number >= self._forgotten:
            before, unread = [*before, unread[0][:character]], [unread[0][character:], *unread[1:]]
        unread = unread[1:] if unread[:1] == [""] else unread
        shown = "\n    ".join(unread[-_SHOWN:]) or "(nothing)"
        what = f"it wrote {len(unread)} lines, the last {_SHOWN}:" if len(unread) > _SHOWN else "it wrote:"
        is_early = any(map(wanted.search, before))
        return ProductFailure(
            f"the console did not show {wanted.pattern!r} within {within:g} s; instead {what}\n    {shown}",
            where=self.board,
            do="a line before the last match has it: expect it earlier, or use until()"
            if is_early
            else "compare the pattern with what the firmware prints",
        )

    async def until_next(self, pattern: str, within: float = 5.0) -> re.Match[str]:
        """Like :meth:`until`, but only new lines count."""
        wanted = _expression(pattern)
        found: asyncio.Future[re.Match[str]] = asyncio.get_running_loop().create_future()

        def look(line: str) -> None:
            if not found.done() and (match := wanted.search(line)):
                found.set_result(match)

        stop = self.listen(look)
        try:
            async with self._clock.deadline(time_to_wait(within)):
                return await found
        except TimeoutError:
            tail = "\n    ".join(self.lines[-5:]) or "(nothing)"
            raise ProductFailure(
                f"the console did not show {pattern!r} within {within:g} s; its last lines:\n    {tail}",
                where=self.board,
                do="compare the pattern with what the firmware prints",
            ) from None
        finally:
            stop()


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        what = f"{pattern!r} is not a regular expression: {error}"
        raise UsageError(what, do="write a backslash before characters that have no special meaning here") from error
