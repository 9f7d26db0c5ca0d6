"""Event loops for the room's asynchronous tests: each test runs on asyncio's and on uvloop's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """The event loop of an asynchronous test and its fixtures. They leave no task behind."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"
