"""The event loop of the front doors, and how a task lets others run."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["give_way", "new_runner"]


def new_runner() -> asyncio.Runner:
    """A new event loop: uvloop's if it is installed, which takes a quarter of the memory per connection."""
    if sys.platform == "win32":
        return asyncio.Runner()
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def give_way() -> None:
    """Let everything else that is ready run first. Needs no clock, because it does not wait for time to pass."""
    await asyncio.sleep(0)
