"""The event loop of the harness, for tests that need it instead of asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from harness.core.loop import new_runner


def harness_runner() -> Iterator[asyncio.Runner]:
    """A fixture ``runner`` on the harness's event loop. A test and its fixtures leave no task behind."""
    with new_runner() as runner:
        yield runner
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"
