"""More devices than the gateway can enroll at once: it completes enrollments, the oldest first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.core.loop import give_way
from harness.wasmbed.protocol.messages import EnrollmentResponse, Error
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import DEVICE
from tests.gateway.world import World


class SlowApi:
    """Holds creations of Devices until :meth:`let`, and counts those that wait."""

    def __init__(self, world: World) -> None:
        self.asked: list[str] = []
        self._open = asyncio.Event()
        self._changed = asyncio.Condition()
        world.api.fail = self._hold

    def let(self) -> None:
        self._open.set()

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= count)

    def _hold(self, verb: str, resource: Resource, name: str) -> Any:
        return self._wait(name) if verb == "create" and resource == DEVICE else None

    async def _wait(self, name: str) -> None:
        async with self._changed:
            self.asked.append(name)
            self._changed.notify_all()
        await self._open.wait()


async def ask(world: World, count: int) -> list[Any]:
    """Return devices that have requested enrollment, one after the other."""
    devices = [await world.device(f"dev-{number}") for number in range(count)]
    for number, device in enumerate(devices, 1):
        device.link.send(device.request())
        await world.until_recorded("EnrollmentRequest", number)
    return devices


@pytest.mark.settings(enrollments=2, handshake_timeout_under_load=60.0, enrollment_wait=60.0, enrollment_timeout=60.0)
async def test_many_devices_are_enrolled_a_few_at_a_time(world: World) -> None:
    """No handshake begins while enrollments wait, and no device is refused."""

    async def arrive(world: World, name: str) -> str:
        device = await world.device(name)
        return str((await device.enroll()).device_id)

    old = await world.connected("old")
    api = SlowApi(world)
    first = await ask(world, 3)
    crowd = [asyncio.create_task(arrive(world, f"crowd-{number}")) for number in range(40)]
    for _ in range(10):
        await old.beat()
    assert len(api.asked) == 2
    assert len(world.gateway.sessions) == 4, "two enroll, one waits, and the one that was there"
    api.let()
    assert len(set(await asyncio.gather(*crowd))) == 40
    for device in first:
        await device.expect(EnrollmentResponse)
    assert world.named("Error") == []


@pytest.mark.settings(enrollments=1)
async def test_the_oldest_request_is_served_first(world: World) -> None:
    api = SlowApi(world)
    devices = await ask(world, 8)
    await api.until_asked(1)
    api.let()
    for device in devices:
        await device.expect(EnrollmentResponse)
    assert api.asked == [f"dev-{number}" for number in range(8)]


@pytest.mark.settings(enrollments=1)
async def test_the_enrollment_of_a_device_that_left_is_dropped(world: World) -> None:
    api = SlowApi(world)
    devices = await ask(world, 5)
    for device in devices[1:4]:
        device.link.abort()
    async with asyncio.timeout(20):
        while sum(session.link.closed for session in world.gateway.sessions) < 3:
            await give_way()
    api.let()
    await devices[0].expect(EnrollmentResponse)
    await devices[4].expect(EnrollmentResponse)
    assert api.asked == ["dev-0", "dev-4"]
    closed = await world.until_recorded("ConnectionClosed", 3)
    assert {event[3]["device"] for event in closed} == {"dev-1", "dev-2", "dev-3"}


@pytest.mark.settings(enrollments=1, enrollment_timeout=0.2, enrollment_wait=0.2)
async def test_a_device_that_waits_too_long_is_asked_to_retry_later(world: World) -> None:
    api = SlowApi(world)
    devices = await ask(world, 3)
    errors = [await device.expect(Error) for device in devices]
    assert all((error.retry_after or 0) >= 1500 for error in errors)
    assert errors[0].message == "enrollment could not be completed: timed out"
    assert "too many devices are enrolling" in {error.message for error in errors[1:]}
    assert world.find_device("dev-2") is None
    api.let()
