"""The infrastructure service on an embedded cluster, and callers with the three roles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from harness.core.clock import SystemClock
from harness.core.network import SystemNetwork
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.infrastructure.register import Register
from harness.wasmbed.infrastructure.server import InfrastructureServer, InfrastructureSettings
from tests.api.world import World


@pytest.fixture
def register(tmp_path: Path) -> Register:
    """A new authority, whose certificates are valid now."""
    return Register(tmp_path / "devices", SystemClock())


@pytest.fixture
async def world(register: Register, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world whose requests go to the infrastructure service. The marker ``settings`` changes those of the service."""
    marker = request.node.get_closest_marker("settings")
    settings = InfrastructureSettings(**(marker.kwargs if marker else {}))
    async with World(ApiSettings()).running() as world:
        own = world.cluster.client("Infrastructure")
        server = InfrastructureServer(settings, register, own, SystemClock(), SystemNetwork())
        host, port = await server.listen()
        api_session = world.session
        world.url = f"http://{host}:{port}"
        try:
            async with aiohttp.ClientSession(world.url) as world.session:
                yield world
        finally:
            await server.stop()
            await api_session.close()
