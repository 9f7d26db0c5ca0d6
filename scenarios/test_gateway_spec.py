"""Gateways whose spec is changed while they run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.stack import Stack
from harness.wasmbed.gateway.placement import Candidate, choose_home
from harness.wasmbed.resources.kinds import GATEWAY

pytestmark = pytest.mark.requires("gateway-settings")

PATIENCE = 120.0


def names_of(gateway: str) -> Iterator[str]:
    """Names of devices whose home is ``gateway``, of two."""
    gateways = [Candidate(f"gateway-{number}", "") for number in (1, 2)]
    for number in range(1, 50):
        chosen = choose_home(f"pump-{number}", None, gateways)
        if chosen is not None and chosen.name == gateway:
            yield f"pump-{number}"


@pytest.mark.requires("several-gateways", "gateway-placement", "reassign")
@pytest.mark.stack(beat=0.3)
async def test_the_devices_of_a_gateway_that_is_disabled_go_to_another(stack: Stack) -> None:
    """It goes on to run, and has devices again once it is enabled."""
    await stack.scale_gateways(2, retry_after=1.0)
    names = names_of("gateway-2")
    first = await stack.boards.power_on(name=next(names))
    device = await stack.device(first).until(phase="Connected", gateway="gateway-2", within=PATIENCE)
    await stack.api.patch(GATEWAY, "gateway-2", {"spec": {"enabled": False}})
    await device.until(phase="Connected", gateway="gateway-1", within=PATIENCE)
    assert stack.history.find("Error", about=first.name, code="GATEWAY_DRAINING")
    await stack.gateways[1].until(phase="Online", connected_devices=0, within=PATIENCE)
    late = await stack.boards.power_on(name=next(names))
    await stack.device(late).until(phase="Connected", gateway="gateway-1", within=PATIENCE)
    await stack.api.patch(GATEWAY, "gateway-2", {"spec": {"enabled": True}})
    again = await stack.boards.power_on(name=next(names))
    await stack.device(again).until(phase="Connected", gateway="gateway-2", within=PATIENCE)


@pytest.mark.requires("reset")
async def test_a_heartbeat_interval_in_the_spec_counts_from_the_next_enrollment_on(stack: Stack) -> None:
    """The device beats at the interval that the answer names."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=PATIENCE)
    await stack.api.patch(GATEWAY, stack.gateway.name, {"spec": {"config": {"heartbeatInterval": "700ms"}}})
    patched = await stack.history.until("PATCH Gateway", source="User", within=PATIENCE)
    await stack.history.until("MODIFIED Gateway", target="Gateway", after=patched, within=PATIENCE)
    await board.reset()
    response = await stack.history.until("EnrollmentResponse", about=board.name, heartbeatInterval=700, within=PATIENCE)
    for _ in range(3):
        response = await stack.history.until("Heartbeat", about=board.name, after=response, within=PATIENCE)
    assert device.status.heartbeat_interval_milliseconds == 700
