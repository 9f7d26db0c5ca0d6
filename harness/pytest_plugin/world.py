"""One test's event loop and the stack that lives on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions

__all__ = ["World"]


class World:
    """A stack, up, and the loop it runs on."""

    def __init__(self, stack: Stack, runner: asyncio.Runner) -> None:
        self.stack = stack
        self._runner = runner

    @classmethod
    @contextmanager
    def opened(cls, options: StackOptions, folder: Path) -> Iterator[World]:
        """Bring a stack up, and take it down whatever happens in between."""
        with new_runner() as runner:
            stack = Stack(options, folder=folder)
            runner.run(stack.start())
            try:
                yield cls(stack, runner)
            finally:
                runner.run(stack.stop())

    def run_test(self, test: Callable[..., Coroutine[Any, Any, object]], arguments: dict[str, Any]) -> None:
        """Run a test's body, then judge what was recorded by the invariants."""
        self._runner.run(self._judged(test, arguments))

    async def _judged(self, test: Callable[..., Coroutine[Any, Any, object]], arguments: dict[str, Any]) -> None:
        __tracebackhide__ = True
        limit, loop = self.stack.options.deadline, asyncio.get_running_loop()
        body = asyncio.timeout(None)
        try:
            async with body:
                overdue = self.stack.clock.call_later(limit, lambda: body.reschedule(loop.time()))
                try:
                    await test(**arguments)
                finally:
                    overdue.cancel()
        except TimeoutError as error:
            if not body.expired():
                raise
            raise TimeoutError(f"the test did not end within {limit:g} s (--deadline); it hung above") from error
        self.stack.judge()
