"""A device's messages are bounded: more is refused, with an error for the device and a log line."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from harness.wasmbed.gateway.bounds import LARGEST_NUMBER
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    DeviceInfo,
    Publication,
    RuntimeFault,
)
from tests.gateway.world import World


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        (
            {f"m{number}": number for number in range(8000)},
            "Heartbeat: metrics has 8000 entries, at most 128 are accepted",
        ),
        (
            {"x" * 3000 + str(number): 1 for number in range(100)},
            "Heartbeat: 300238 characters of text, at most 32768 are accepted",
        ),
    ],
    ids=["8,000 metrics", "300 KB"],
)
@pytest.mark.settings(status_interval=0.01)
async def test_a_heartbeat_is_bounded(
    world: World, caplog: pytest.LogCaptureFixture, metrics: dict[str, int], reason: str
) -> None:
    caplog.set_level(logging.WARNING)
    device = await world.connected()
    error = await device.refused(device.heartbeat(metrics=metrics))
    assert (error.code, error.message) == ("PROTOCOL_ERROR", reason)
    await device.beat(metrics={f"m{number}": number for number in range(128)}, status="degraded")
    await world.until(lambda: "m127" in (world.find_device().status.device_metrics or {}))
    await world.gateway.kill()
    assert f"device dev-1: PROTOCOL_ERROR: {reason}" in caplog.messages


@pytest.mark.settings(status_interval=0.01)
async def test_a_metric_that_a_device_no_longer_sends_is_removed_from_its_status(world: World) -> None:
    device = await world.connected()
    for number in range(3):
        metrics = {f"m{number}": number, "uptime_ms": 2}
        await device.beat(metrics=metrics, status=("degraded", "running")[number % 2])
        await world.until(lambda metrics=metrics: world.find_device().status.device_metrics == metrics)


async def test_too_many_names_of_metrics_are_refused(world: World) -> None:
    device = await world.connected()
    for number in range(511):
        await device.beat(metrics={f"m{number}": 1})
    error = await device.refused(device.heartbeat(metrics={"one more": 1}))
    assert error.message == "Heartbeat: metrics of more than 512 different names in one session"
    await device.beat(metrics={"m7": 1})


@pytest.mark.settings(status_interval=0.01)
async def test_numbers_that_the_cluster_cannot_hold_are_refused(world: World) -> None:
    device = await world.connected()
    information = DeviceInfo(2**64 - 1, "armv7m", (), 65_536)
    device.link.send(information, device.queries[0] if device.queries else 5)
    error = await device.receive()
    assert error.message.message == f"DeviceInfo: memory is {2**64 - 1}, at most {2**63 - 1} can be recorded"
    device.link.send(DeviceInfo(LARGEST_NUMBER, "armv7m", (), 65_536), 6)
    await device.beat()
    await world.until(lambda: (world.find_device().status.device_info or {}).get("memory") == LARGEST_NUMBER)
    await device.link.close()
    second = await world.device("dev-2")
    error = await second.refused(second.request(largest_module=2**64 - 1))
    assert error.message.startswith("EnrollmentRequest: largest_module is ")
    assert world.find_device("dev-2") is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            RuntimeFault("app-1", "TRAP", "trap", ("frame",) * 129),
            "RuntimeFault: backtrace has 129 entries, at most 128 are accepted",
        ),
        (
            DeploymentResult("app-1", ok=False, error="x" * 40_000),
            "DeploymentResult: 40005 characters of text, at most 32768 are accepted",
        ),
        (
            ApplicationStatus("app-1", ApplicationState.RUNNING, publications=(Publication("t", bytes(1025)),)),
            "a payload of 1025 bytes, at most 1024 are accepted",
        ),
    ],
)
async def test_reports_on_applications_are_bounded(world: World, message: Any, reason: str) -> None:
    device = await world.connected()
    assert (await device.refused(message)).message == reason
    await device.beat()
