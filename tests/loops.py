"""The event loop that the harness prefers, for tests that need it instead of asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop


def harness_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """A value for the fixture ``new_loop``."""
    return uvloop.new_event_loop
