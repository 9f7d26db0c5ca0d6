"""Two gateways: a device that enrolls gets the endpoint of its home, and resumes wherever it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.protocol.messages import EnrollmentResponse
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import DEVICE, GATEWAY
from tests.gateway.world import ScriptedDevice, World

HERE, THERE = "pump-1", "pump-2"
"""Devices whose homes are the first and the second gateway."""


@asynccontextmanager
async def second_gateway(world: World, **settings: Any) -> AsyncIterator[Gateway]:
    """Another gateway, which the first one knows."""
    other = world.make_gateway(replace(world.settings, name="gateway-2", **settings))
    await other.start()
    try:
        yield other
    finally:
        await other.stop()


async def told(world: World, name: str, identity: Identity | None = None) -> tuple[EnrollmentResponse, Identity]:
    """The first gateway's answer to the enrollment of a device, which ends its link then; and the device's identity."""
    device = await world.device(name, identity)
    response = await device.enroll()
    await device.link.close()
    await world.until(lambda: world.gateway.sessions.get(name) is None)
    assert device.identity is not None
    return response, device.identity


async def resumed(world: World, at: Gateway, identity: Identity, device_id: str) -> ScriptedDevice:
    """A device that has sent a heartbeat to a gateway, under an id."""
    device = await world.dial(identity, at)
    device.id = device_id
    await device.beat()
    return device


@pytest.mark.parametrize("name", [HERE, THERE])
async def test_a_device_gets_the_endpoint_of_its_home(world: World, name: str) -> None:
    async with second_gateway(world) as other:
        home = {HERE: world.gateway, THERE: other}[name]
        response, identity = await told(world, name)
        assert (response.gateway_name, response.gateway_endpoint) == (home.settings.name, home.advertised)
        assert response.reassigned is (True if home is other else None)
        before = world.phases(name)
        await resumed(world, home, identity, response.device_id)
        assert (await world.phase(name, "Connected")).status.gateway == home.settings.name
        assert home is world.gateway or world.phases(name) == [*before, "Connected"]


async def test_a_preference_counts_and_a_full_gateway_does_not(world: World) -> None:
    async with second_gateway(world, sessions=1) as other:
        response, identity = await told(world, HERE)
        await world.api.patch(DEVICE, HERE, {"spec": {"preferredGateway": "gateway-2"}})
        assert (await told(world, HERE, identity))[0].gateway_name == "gateway-2"
        await resumed(world, other, identity, response.device_id)
        await world.phase(HERE, "Connected")
        await world.api.patch_status(GATEWAY, "gateway-2", {"status": {"connectedDevices": 1}})
        assert (await told(world, THERE))[0].gateway_name == "gateway-1"


async def test_a_gateway_whose_copy_is_old_asks_before_it_refuses_a_device(world: World) -> None:
    """A device that enrolled elsewhere a moment ago; one of another id is refused all the same."""

    def deaf(verb: str, resource: Any, name: str) -> None:
        if verb == "watch":
            raise ApiError({"code": 503, "reason": "ServiceUnavailable", "message": "no watches now"})

    world.api.fail = deaf
    async with second_gateway(world) as other:
        response, identity = await told(world, HERE)
        device = await world.dial(identity, other)
        device.id = "123e4567-e89b-42d3-a456-426614174000"
        error = await device.refused(device.heartbeat())
        assert "unknown device id" in error.message
        device.id = response.device_id
        await device.beat()


@pytest.mark.settings(last_seen_interval=0.1)
async def test_a_device_that_never_comes_to_its_home_is_disconnected(world: World) -> None:
    """The gateway that assigned it finds it when it compares its sessions with the record."""
    async with second_gateway(world):
        await told(world, THERE)
        await world.phase(THERE, "Disconnected")


async def test_a_device_that_stays_where_it_enrolled_is_served_there(world: World) -> None:
    """It does not know of assignments."""
    async with second_gateway(world):
        device = await world.device(THERE)
        assert (await device.enroll()).reassigned
        await device.beat()
        assert (await world.phase(THERE, "Connected")).status.gateway == "gateway-1"
        await device.link.close()
        await world.phase(THERE, "Disconnected")


@pytest.mark.settings(advertise="gateways.example:8081")
async def test_gateways_behind_one_address_keep_their_devices(world: World) -> None:
    """A device cannot choose among them."""
    async with second_gateway(world):
        response, _ = await told(world, THERE)
        assert (response.gateway_name, response.reassigned) == ("gateway-1", None)
