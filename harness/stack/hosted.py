"""A stack with its event loop, for front doors that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.loop import new_runner
from harness.invariants import Party, describe
from harness.stack.leftovers import Leftovers
from harness.stack.options import StackOptions
from harness.stack.stack import Stack
from harness.stack.subjects import order_missing, subject_of
from harness.stack.surroundings import Runner, surroundings_of

__all__ = ["HostedStack", "Runner", "left_behind"]

T = TypeVar("T")


class HostedStack:
    """A running stack with its loop. The body of a test may take ``--deadline`` seconds from :meth:`begin` on."""

    def __init__(self, stack: Stack, runner: Runner) -> None:
        self.stack = stack
        self._runner = runner
        self.begin()

    @classmethod
    @contextmanager
    def opened(
        cls, options: StackOptions, folder: Path | None, new_runner: Callable[[], Runner] = new_runner
    ) -> Iterator[Self]:
        """Start a stack, recorded in ``folder`` if given, and stop it at the end in any case. A stack that is not
        simulated runs on the loop of ``new_runner``.

        Raises ProductFailure if it leaves something behind.
        """
        surroundings = surroundings_of(options, new_runner)
        with surroundings.new_runner() as runner:
            leftovers = runner.run(Leftovers.begin(surroundings.open_sockets))
            stack = Stack(options, folder=folder, surroundings=surroundings)
            runner.run(stack.start())
            stack.history.is_judged = True
            try:
                yield cls(stack, runner)
            finally:
                runner.run(stack.stop())
            runner.run(leftovers.check(stack.clock))

    def begin(self) -> None:
        """Start the time limit of a test's body."""
        self._end = self.stack.clock.now() + self.stack.options.deadline

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work``, a part of the body, and return its result. Raises TimeoutError when the body takes too long."""
        __tracebackhide__ = True
        return self._runner.run(self._blamed(self._bounded(work)))

    def judge(self) -> None:
        """Judge the history by the invariants, after a body that passed. Raises ProductFailure."""
        __tracebackhide__ = True

        async def judge() -> None:
            __tracebackhide__ = True
            await self.stack.observe()
            self.stack.judge()
            self.stack.faults.check_applied()

        self._runner.run(self._blamed(judge()))

    def blame(self, error: BaseException) -> None:
        """Raise RigError if the cluster is to blame for an error outside of :meth:`run`."""
        self._runner.run(self.stack.blame(error))

    def accuse(self, error: BaseException) -> None:
        """Add to the error of a test's body whom its record convicts, if anybody: as a note, and as its ``party``.

        A broken invariant outweighs what a wait or a sequence concluded from a step that is missing.
        """
        history = getattr(self.stack, "history", None)
        if history is None or isinstance(error, RigError | UsageError):
            return
        if replay := getattr(self.stack, "replay", ""):  # it may not have started
            error.add_note(f"faults: {self.stack.faults.account()}\nreplay: {replay}")
        if found := history.judgement().violations():
            error.add_note(describe(found))
            named = next((each.convicts for each in found if each.party is not Party.PRODUCT), "")
            if named or not getattr(error, "party", ""):
                error.party = named or str(Party.PRODUCT)  # type: ignore[attr-defined]
        elif isinstance(error, ProductFailure) and (author := order_missing(error, history)) is not None:
            error.add_note(str(author))
            error.party = author.party
        elif (
            isinstance(error, AssertionError | KeyError)  # a field that an assertion reads may be missing
            and not isinstance(error, ProductFailure)
            and (author := subject_of(error, self.stack)) is not None
        ):
            error.add_note(str(author))
            error.party = author.party  # type: ignore[union-attr]

    async def _blamed(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``. Any failure while the cluster is gone, or after it disturbed requests, is a
        RigError."""
        __tracebackhide__ = True
        try:
            return await work
        except Exception as error:
            await self.stack.blame(error)
            raise

    async def _bounded(self, work: Coroutine[Any, Any, T]) -> T:
        __tracebackhide__ = True
        clock, loop = self.stack.clock, asyncio.get_running_loop()
        body = asyncio.timeout(None)
        try:
            async with body:
                overdue = clock.call_later(self._end - clock.now(), lambda: body.reschedule(loop.time()))
                try:
                    return await work
                finally:
                    overdue.cancel()
        except TimeoutError as error:
            if not body.expired():
                raise
            limit = f"{self.stack.options.deadline:g} s (--deadline)"
            raise TimeoutError(f"the test did not end within {limit}; the traceback shows where it was") from error


def left_behind() -> list[str]:
    """Objects of this process's stacks that stay in a cluster although they were deleted, with reasons; for the end of
    a session. Waits some seconds for them to go."""
    from harness.clusters.existing.cluster import LEAVING

    if not LEAVING:
        return []
    with new_runner() as runner:
        return runner.run(LEAVING.settle(SystemClock()))
