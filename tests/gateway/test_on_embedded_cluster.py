"""The gateway at an API server that validates requests, with the real controllers."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers import ControllerManager
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    Error,
    Publication,
    RuntimeFault,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.views import Application, Device, Gateway
from tests.gateway.world import World


async def test_a_devices_whole_life(make_world: type[World], module: bytes) -> None:
    clock, randomness = SystemClock(), Randomness()
    cluster = EmbeddedCluster(clock, randomness, "wasmbed", None)
    await cluster.start()
    world = make_world(clock, api=cluster.client("Gateway"), status_interval=0.05)
    controllers = ControllerManager(cluster.client, clock, randomness)
    user = cluster.client("User")
    devices, applications = (Informer(user, kind, clock, randomness) for kind in (DEVICE, APPLICATION))
    await asyncio.gather(world.gateway.start(), controllers.start(), devices.start(), applications.start())

    def phase(expected: str) -> Any:
        return lambda found: found is not None and Device(found).status.phase == expected

    def application_phase(expected: str) -> Any:
        return lambda found: found is not None and Application(found).status.phase == expected

    try:
        device = await world.device("dev-1")
        await device.connect(largest_module=4096, mcu_type="scripted")
        await devices.wait_for("dev-1", phase("Connected"), 20)

        spec = {"wasmBytes": b64encode(module).decode(), "targetDevices": {"allDevices": True}}
        body = {"apiVersion": "wasmbed.io/v1", "kind": "Application", "metadata": {"name": "app-1"}, "spec": spec}
        await user.create(APPLICATION, body)
        _, received = await device.accept_deployment()
        assert received == module
        outputs = [Publication("t", b"1"), Publication("raw", b"\xff")]
        device.link.send(ApplicationStatus("app-1", ApplicationState.RUNNING, {"n": 1}, None, outputs))
        found = await applications.wait_for("app-1", application_phase("Running"), 20)
        entry = Application(found).status.device_statuses["dev-1"]
        assert [dict(output) for output in entry.output] == [
            {"topic": "t", "payload": "1", "encoding": "text"},
            {"topic": "raw", "payload": "/w==", "encoding": "base64"},
        ]
        await user.delete(APPLICATION, "app-1")
        stop = await device.receive()
        assert stop.message == Stop("app-1")
        device.link.send(StopResult("app-1", True), stop.message_id)
        await applications.wait_for("app-1", lambda found: found is None, 20)

        await user.create(APPLICATION, {**body, "metadata": {"name": "app-2"}})
        await device.accept_deployment()
        device.link.send(RuntimeFault("app-2", "TRAP", "unreachable", ["run"], {"fuel_used": 1}))
        found = await applications.wait_for("app-2", application_phase("Error"), 20)
        assert Application(found).status.device_statuses["dev-1"].code == "TRAP"
        await device.beat(status="degraded")

        stopping = asyncio.create_task(world.gateway.stop())
        assert (await device.expect(Error)).code == "GATEWAY_DRAINING"
        await stopping
        found = await devices.wait_for("dev-1", phase("Disconnected"), 20)
        assert Device(found).status.error == "Connection lost"
        gateway = Gateway(await user.get(GATEWAY, "gateway-1"))
        assert (gateway.status.phase, gateway.status.connected_devices) == ("Offline", 0)
    finally:
        await world.stack.aclose()
        await asyncio.gather(devices.stop(), applications.stop())
        await world.gateway.kill()
        await controllers.stop()
        await cluster.stop()
