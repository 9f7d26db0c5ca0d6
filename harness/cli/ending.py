"""How a command that runs until somebody ends it is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from harness.cli.output import ReaderGone

__all__ = ["End"]


class End:
    """The signals that end it: the first asks it to stop, the second to stop at once."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.wanted: asyncio.Future[None] = loop.create_future()
        self.insisted: asyncio.Future[None] = loop.create_future()
        self._unread: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup a hangup is to be ignored.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._signalled)

    def watch_reader(self) -> None:
        """Let :meth:`unless` raise ReaderGone when the output is a pipe that nobody reads any more, even while there
        is nothing to write."""
        with suppress(OSError, ValueError):  # no output, or not of the system's
            output = sys.stdout.fileno()
            if stat.S_ISFIFO(os.fstat(output).st_mode):
                # Its writing end is ready to be read when there is no reading end.
                asyncio.get_running_loop().add_reader(output, self._lost_reader, output)

    async def unless(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; False when the end was wanted before it was done, and it was given up."""
        task = asyncio.create_task(work)
        await asyncio.wait([task, self.wanted, self._unread], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            if self._unread.done():
                raise ReaderGone from None
            return False
        return True

    def _signalled(self) -> None:
        asked = self.insisted if self.wanted.done() else self.wanted
        if not asked.done():
            asked.set_result(None)

    def _lost_reader(self, output: int) -> None:
        asyncio.get_running_loop().remove_reader(output)
        self._unread.set_result(None)
