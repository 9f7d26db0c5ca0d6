"""A runner for coroutines, on the event loop that stacks run on."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.core.loop import new_runner


@pytest.fixture
def run() -> Iterator[Callable[..., Any]]:
    with new_runner() as runner:
        yield runner.run
