"""Fixtures of the controllers' tests: a cluster with one gateway, on a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.controllers.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world of the test's own, whose managers and cluster leave no task behind."""
    world = World()
    await world.start()
    yield world
    await world.stop()
    await world.clock.advance(0)
