"""Enrollment with a certificate: the happy path, and the table of what can be wrong."""

from __future__ import annotations

from typing import Any

import pytest

Play = Any
World = Any


def test_a_device_enrolls_and_is_connected(play: Play) -> None:
    async def scene(world: World) -> None:
        device = await world.device("dev-1")
        response = await device.enroll(largest_module=65_536)
        host, port = world.gateway.endpoint
        assert (response.gateway_name, response.gateway_endpoint) == ("gateway-1", f"{host}:{port}")
        assert response.heartbeat_interval == 30_000
        assert response.certificate is None
        await device.beat()
        found = await world.phase("dev-1", "Connected")
        assert world.phases() == ["Pending", "Enrolling", "Enrolled", "Connected"]
        assert found.spec.device_type == "virtual"
        assert found.spec.largest_module == 65_536
        status = found.status
        assert (status.device_id, status.gateway) == (response.device_id, "gateway-1")
        assert (status.wasm_runtime, status.device_status, status.health) == ("ready", "Running", "healthy")
        assert status.device_metrics == {"uptime_ms": 1000}
        assert status.last_heartbeat == status.connected_since is not None

    play(scene)
