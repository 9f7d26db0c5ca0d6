"""Fixtures of the gateway's tests: a world with a started gateway, on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvloop

from harness.core.clock import SystemClock
from tests.gateway.memory_api import MemoryApi
from tests.gateway.world import MODULE, World, running_world


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of an asynchronous test and its fixtures, uvloop's. They leave no task behind."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner
        left = asyncio.all_tasks(runner.get_loop())
        assert not left, f"tasks left behind: {left}"


@pytest.fixture
async def world(settings: dict[str, Any]) -> AsyncIterator[World]:
    """A world of the test's own, with a started gateway.

    The marker ``settings`` has the gateway's settings. ``clock`` in it makes another clock than the system's; with
    ``starts=False`` the test starts the gateway itself.
    """
    async with running_world(settings.pop("clock", SystemClock), **settings) as world:
        yield world


@pytest.fixture
def make_world() -> type[World]:
    return World


@pytest.fixture
def module() -> bytes:
    return MODULE


@pytest.fixture
def memory_api() -> type[MemoryApi]:
    return MemoryApi
