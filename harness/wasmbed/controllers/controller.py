"""The base of every controller: handlers put keys into a work queue, and workers reconcile one key at a time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from typing import ClassVar

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.wasmbed.controllers.queue import Closed, WorkQueue
from harness.wasmbed.resources.api import ApiError, Conflict, NotFound
from harness.wasmbed.resources.outages import severity

__all__ = ["Controller"]

log = get_log(__name__)


class Controller(ABC):
    """One reconciler and its queue. :meth:`run` may be called again after it ended, since leadership may return."""

    name: ClassVar[str]
    """The participant's name in a history, and the client's at the API server."""
    workers: ClassVar[int] = 4
    rest: ClassVar[float] = 0.0
    """The shortest time between two reconciliations of one key, in seconds."""

    def __init__(self, clock: Clock, randomness: Randomness, *, resync: float) -> None:
        self.clock, self.randomness = clock, randomness
        self._resync = resync
        self.queue = self._new_queue()
        self.outcomes: Counter[str] = Counter()
        """Reconciliations by result: ``ok``, ``gone``, ``conflict``, ``refused`` (an error of the cluster, or no
        answer) and ``failed`` (a bug)."""

    @abstractmethod
    def watch(self) -> Iterable[Callable[[], None]]:
        """Register handlers that put changed keys into :attr:`queue`; returns functions that remove the handlers."""

    @abstractmethod
    def keys(self) -> Iterable[str]:
        """Every present key: all of them are reconciled when work begins and at every resync."""

    @abstractmethod
    async def reconcile(self, key: str) -> float | None:
        """Move actual state toward desired state; returns the requeue delay in seconds, or None.

        It may be cancelled at any ``await``, and it may be called when there is nothing to do.
        """

    async def run(self) -> None:
        """Reconcile until :meth:`finish` is called, or until this is cancelled."""
        self.queue = self._new_queue()
        unsubscribe = list(self.watch())
        resync = asyncio.create_task(self._resync_forever(), name=f"{self.name}-resync")
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.workers):
                    group.create_task(self._work(), name=f"{self.name}-{number}")
        finally:
            resync.cancel()
            self.queue.close()
            for remove in unsubscribe:
                remove()
            await asyncio.wait([resync])

    def finish(self) -> None:
        """Let :meth:`run` return when the present work is done."""
        self.queue.close()

    def _new_queue(self) -> WorkQueue:
        return WorkQueue(self.clock, self.randomness, rest=self.rest)

    async def _resync_forever(self) -> None:
        while True:
            for key in tuple(self.keys()):
                self.queue.add(key)
            await self.clock.sleep(self.randomness.jitter(self._resync, 0.1))

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except Closed:
                return
            outcome = "ok"
            try:
                again = await self.reconcile(key)
            except NotFound:
                outcome = "gone"
                self.queue.forget(key)  # deleted meanwhile; otherwise a change or the resync adds it again
            except Conflict as error:
                outcome = "conflict"
                log.debug("%s %s: %s", self.name, key, reason(error))
                self.queue.add_rate_limited(key)
            except (OSError, ApiError) as error:
                outcome = "refused"
                log.log(severity(error), "%s %s: %s; trying again", self.name, key, reason(error))
                self.queue.add_rate_limited(key)
            except Exception:
                outcome = "failed"
                log.exception("%s %s: failed; trying again", self.name, key)
                self.queue.add_rate_limited(key)
            else:
                self.queue.forget(key)
                if again is not None:
                    self.queue.add_after(key, again)
            finally:
                self.outcomes[outcome] += 1
                self.queue.done(key)
