"""The end of commands that run until a signal."""

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
    """Signals: the first requests a graceful stop (``stop_requested``), the second an immediate one (``stop_now``)."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stop_requested: asyncio.Future[None] = loop.create_future()
        self.stop_now: asyncio.Future[None] = loop.create_future()
        self._unread: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup ignores hangups.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._signalled)

    def watch_reader(self) -> None:
        """Make :meth:`unless` raise ReaderGone as soon as the output is a pipe whose reader is gone."""
        with suppress(OSError, ValueError):  # no output, or not a file of the system
            output = sys.stdout.fileno()
            if stat.S_ISFIFO(os.fstat(output).st_mode):
                # The writing end of a pipe becomes readable when its reading end is closed.
                asyncio.get_running_loop().add_reader(output, self._lost_reader, output)

    async def unless(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run ``work``. Returns False if the end was requested first; ``work`` is then cancelled."""
        task = asyncio.create_task(work)
        await asyncio.wait([task, self.stop_requested, self._unread], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            if self._unread.done():
                raise ReaderGone from None
            return False
        return True

    def request_stop(self) -> None:
        """Request a graceful stop, as the first signal does."""
        if not self.stop_requested.done():
            self.stop_requested.set_result(None)

    def _signalled(self) -> None:
        asked = self.stop_now if self.stop_requested.done() else self.stop_requested
        if not asked.done():
            asked.set_result(None)

    def _lost_reader(self, output: int) -> None:
        asyncio.get_running_loop().remove_reader(output)
        self._unread.set_result(None)
