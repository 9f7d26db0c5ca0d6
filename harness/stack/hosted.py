"""A stack and the event loop it lives on, for front doors that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.loop import new_runner
from harness.stack.options import StackOptions
from harness.stack.stack import Stack

__all__ = ["HostedStack", "Runner", "left_behind"]

T = TypeVar("T")


class Runner(AbstractContextManager["Runner"], Protocol):
    """An event loop that is there inside ``with``: :class:`asyncio.Runner` is one."""

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """What ``coro`` returns, once it is done."""


class HostedStack:
    """A stack, up, and what runs on its loop. The body of a test may take ``--deadline`` from :meth:`begin` on."""

    def __init__(self, stack: Stack, runner: Runner) -> None:
        self.stack = stack
        self._runner = runner
        self.begin()

    @classmethod
    @contextmanager
    def opened(
        cls, options: StackOptions, folder: Path | None, new_runner: Callable[[], Runner] = new_runner
    ) -> Iterator[Self]:
        """Bring a stack up, recorded in ``folder`` if there is one, and take it down whatever happens in between."""
        with new_runner() as runner:
            stack = Stack(options, folder=folder)
            runner.run(stack.start())
            try:
                yield cls(stack, runner)
            finally:
                runner.run(stack.stop())

    def begin(self) -> None:
        """The body of a test begins now."""
        self._end = self.stack.clock.now() + self.stack.options.deadline

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, a part of the body. Raises TimeoutError when the body has taken too long."""
        __tracebackhide__ = True
        return self._runner.run(self._bounded(work))

    def judge(self) -> None:
        """Judge what was recorded by the invariants, at the end of a body that went well. Raises ProductFailure."""
        __tracebackhide__ = True

        async def judge() -> None:
            __tracebackhide__ = True
            await self.stack.observe()
            self.stack.judge()

        self._runner.run(self._blamed(judge()))

    async def _blamed(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; what fails because the cluster has gone is the rig's failure, however it looks."""
        __tracebackhide__ = True
        try:
            return await work
        except (RigError, UsageError):
            raise
        except Exception:
            await self.stack.cluster.check()
            raise

    async def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        __tracebackhide__ = True
        clock, loop = self.stack.clock, asyncio.get_running_loop()
        body = asyncio.timeout(None)
        try:
            async with body:
                overdue = clock.call_later(self._end - clock.now(), lambda: body.reschedule(loop.time()))
                try:
                    return await self._blamed(work)
                finally:
                    overdue.cancel()
        except TimeoutError as error:
            if not body.expired():
                raise
            limit = f"{self.stack.options.deadline:g} s (--deadline)"
            raise TimeoutError(f"the test did not end within {limit}; it hung above") from error


def left_behind() -> list[str]:
    """What the worlds of this process have left in a cluster although it was deleted, and why: for the end of a
    session. Waits until it is gone, which takes some seconds."""
    from harness.clusters.existing.cluster import LEAVING

    if not LEAVING:
        return []
    with new_runner() as runner:
        return runner.run(LEAVING.settle(SystemClock()))
