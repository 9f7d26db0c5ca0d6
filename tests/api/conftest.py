"""Fixtures of the API server's tests. The marker ``settings`` changes settings of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from harness.wasmbed.api.settings import ApiSettings
from tests.api.world import World


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world of the test's own."""
    marker = request.node.get_closest_marker("settings")
    async with World(ApiSettings(**(marker.kwargs if marker else {}))).running() as world:
        yield world
