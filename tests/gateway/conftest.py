"""Fixtures of the gateway's tests: a world with a started gateway, on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from harness.core.clock import SystemClock
from tests.gateway.memory_api import MemoryApi
from tests.gateway.world import MODULE, World, running_world


@pytest.fixture
def new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """A function that makes uvloop's event loop, on which gateways run."""
    return uvloop.new_event_loop


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
