"""How a command that runs until somebody ends it is ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

__all__ = ["End"]


class End:
    """The signals that end it: the first is a wish, the second an order."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.wanted: asyncio.Future[None] = loop.create_future()
        self.insisted: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup a hangup is to be ignored.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._signalled)

    async def unless(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; False when the end was wanted before it was done, and it was given up."""
        task = asyncio.create_task(work)
        await asyncio.wait([task, self.wanted], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True

    def _signalled(self) -> None:
        asked = self.insisted if self.wanted.done() else self.wanted
        if not asked.done():
            asked.set_result(None)
