"""The event loop that stacks run on, for the tests of this room."""

import asyncio
from collections.abc import Iterator

import pytest

from harness.core.loop import new_runner


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with new_runner() as runner:
        yield runner
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"
