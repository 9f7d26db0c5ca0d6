"""Refused devices are asked to return at different times."""

from __future__ import annotations

import asyncio

import pytest

from harness.wasmbed.protocol.messages import Error
from tests.gateway.world import World

DEVICES = 30


@pytest.mark.settings(return_rate=1.0)
async def test_refused_devices_return_over_a_window_that_grows_with_their_number(world: World) -> None:
    devices = [await world.connected(f"dev-{number}") for number in range(DEVICES)]
    stopping = asyncio.create_task(world.gateway.stop())
    goodbyes = [await device.expect(Error) for device in devices]
    for device in devices:
        device.link.abort()
    await stopping
    assert {goodbye.code for goodbye in goodbyes} == {"GATEWAY_DRAINING"}
    waits = [goodbye.retry_after or 0 for goodbye in goodbyes]
    assert min(waits) >= 1500
    assert max(waits) <= 1500 + (DEVICES - 1) * 1000
    assert max(waits) - min(waits) > (DEVICES - 1) * 500  # fails by chance once in 10^7 runs
    assert len(set(waits)) > DEVICES / 2


@pytest.mark.settings(return_rate=0.001)
async def test_a_single_device_gets_the_shortest_retry_time(world: World) -> None:
    device = await world.connected()
    stopping = asyncio.create_task(world.gateway.stop())
    assert (await device.expect(Error)).retry_after == 1500
    device.link.abort()
    await stopping
