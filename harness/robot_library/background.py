"""An event loop that runs between keywords, so that heartbeats, watches, and boards continue meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from harness.core.loop import new_runner

__all__ = ["BackgroundRunner"]

T = TypeVar("T")
CLEANUP = 30.0
"""Seconds that interrupted work may take to clean up."""


class BackgroundRunner:
    """A loop in a separate thread, on which Robot's thread runs coroutines."""

    def __enter__(self) -> Self:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._live, args=(started,), name="wasmbed stack", daemon=True)
        self._thread.start()
        self._loop = started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run ``coro`` and return its result. An interruption (Robot's timeout, Ctrl-C) cancels it and waits for its
        end."""
        ended: Future[asyncio.Task[T]] = Future()
        work: list[asyncio.Task[T]] = []

        def begin() -> None:
            work.append(self._loop.create_task(coro))
            work[0].add_done_callback(ended.set_result)

        self._loop.call_soon_threadsafe(begin)
        try:
            return ended.result().result()
        except BaseException:
            if not ended.done():
                self._loop.call_soon_threadsafe(lambda: work[0].cancel())
                with suppress(TimeoutError):
                    ended.result(CLEANUP)
            raise

    @staticmethod
    def _live(started: Future[asyncio.AbstractEventLoop]) -> None:
        with new_runner() as runner:
            loop = runner.get_loop()
            loop.call_soon(started.set_result, loop)
            loop.run_forever()
