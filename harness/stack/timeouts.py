"""Time limits for everything that a stack starts or stops."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from harness.core.clock import Clock
from harness.core.errors import RigError

__all__ = ["bounded"]

T = TypeVar("T")


async def bounded(clock: Clock, seconds: float, what: str, work: Awaitable[T]) -> T:
    """The result of ``work``. Raises RigError if ``what`` it does takes more than ``seconds``."""
    try:
        async with clock.deadline(seconds):
            return await work
    except TimeoutError as error:
        raise RigError(
            f"{what}: not done within {seconds:g} s", where="stack", do="look at the machine's load, then at that part"
        ) from error
