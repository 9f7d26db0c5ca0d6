"""Processes inside this one: what a part of the platform does counts as that part's own process.

An event loop that knows it can stop one of them while the others run, as an operating system stops a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, Protocol, TypeVar, runtime_checkable

__all__ = ["PROCESS", "Processes", "as_process", "processes"]

T = TypeVar("T")

PROCESS: ContextVar[str] = ContextVar("PROCESS", default="")
"""The name of the process that the running code counts as; tasks, timers and connections inherit it."""


@runtime_checkable
class Processes(Protocol):
    """An event loop that can stop what counts as one process."""

    def stop_process(self, name: str) -> None:
        """Run nothing of it from now on."""

    def continue_process(self, name: str) -> None:
        """Let it run again: first it gets what has arrived meanwhile, then its timers."""


def processes() -> Processes | None:
    """The running event loop, if it can stop processes."""
    loop = asyncio.get_running_loop()
    return loop if isinstance(loop, Processes) else None


async def as_process(name: str, work: Coroutine[Any, Any, T]) -> T:
    """Run ``work``, and what it starts, as the process of that name."""
    context = copy_context()
    context.run(PROCESS.set, name)
    return await asyncio.get_running_loop().create_task(work, context=context)
