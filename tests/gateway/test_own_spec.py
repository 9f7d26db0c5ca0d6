"""Changes of a Gateway's spec take effect while the gateway runs."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.wasmbed.gateway import Gateway
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.requests import read_signing_request
from harness.wasmbed.protocol.messages import EnrollmentResponse
from harness.wasmbed.resources.kinds import DEVICE, GATEWAY
from harness.wasmbed.resources.manifests import device_with_board
from harness.wasmbed.resources.timestamps import format_timestamp
from tests.gateway.test_several_gateways import HERE, THERE, second_gateway, told
from tests.gateway.world import World


async def write(world: World, condition: Any, at: Gateway | None = None, **spec: Any) -> None:
    """Change a gateway's spec; returns when the gateways know it, and ``condition`` holds."""
    written = await world.api.patch(GATEWAY, (at or world.gateway).settings.name, {"spec": spec})
    version = int(written["metadata"]["resourceVersion"])
    for each in {world.gateway, at or world.gateway}:
        copy = each._cluster.neighbours._informer
        name = written["metadata"]["name"]
        await copy.wait_for(name, lambda found: int((found or {})["metadata"]["resourceVersion"]) >= version, 60)
    assert condition()


async def test_a_disabled_gateway_ends_its_sessions_and_takes_none(world: World) -> None:
    device = await world.connected("dev-1")
    silent = await world.device("dev-2")
    await write(world, lambda: world.gateway.sessions.disabled, enabled=False)
    for each in (device, silent):
        error = (await each.receive()).message
        assert (error.code, error.message) == ("GATEWAY_DRAINING", "the gateway is disabled")  # type: ignore[union-attr]
        await each.closed()
    await world.phase("dev-1", "Disconnected")
    again = await world.device("dev-1", device.identity)
    assert (await again.refused(again.request())).code == "GATEWAY_DRAINING"
    status, answer = await world.http("GET", "/readyz")
    assert status == 503
    assert "disabled" in str(answer)
    await write(world, lambda: not world.gateway.sessions.disabled, enabled=True)
    await world.connected("dev-2")
    assert (await world.http("GET", "/readyz"))[0] == 200


async def test_a_gateway_that_was_disabled_before_its_start_takes_no_device(world: World) -> None:
    await world.gateway.stop()
    await world.api.patch(GATEWAY, "gateway-1", {"spec": {"enabled": False}})
    world.gateway = world.make_gateway()
    await world.gateway.start()
    device = await world.device("dev-1")
    assert (await device.refused(device.request())).message == "the gateway is disabled"


async def test_others_place_no_device_at_a_disabled_gateway(world: World) -> None:
    async with second_gateway(world) as other:
        assert (await told(world, THERE))[0].gateway_name == "gateway-2"
        await write(world, lambda: other.sessions.disabled, other, enabled=False)
        assert (await told(world, "pump-3"))[0].gateway_name == "gateway-1"
        assert (await told(world, HERE))[0].gateway_name == "gateway-1"


async def test_a_capacity_counts_at_once_for_devices_that_come(world: World) -> None:
    """Also for one that prefers the gateway, and for one that returns; those that are there stay."""
    device = await world.connected("dev-1")
    other = await world.connected("dev-2")
    await write(world, lambda: world.gateway.sessions.most == 1, capacity=1)
    await device.beat()
    await other.link.close()
    await world.phase("dev-2", "Disconnected")
    assert isinstance(other.identity, Identity)
    await world.api.patch(DEVICE, "dev-2", {"spec": {"preferredGateway": "gateway-1"}})
    again = await world.device("dev-2", other.identity)
    error = await again.refused(again.request())
    assert (error.code, error.message) == ("GATEWAY_FULL", "all 1 sessions are in use")
    back = await world.dial(other.identity)
    assert (await back.refused(back.heartbeat(device_id=other.id))).code == "GATEWAY_FULL"
    await write(world, lambda: world.gateway.sessions.most == 10_000, capacity=None)
    await world.connected("dev-3")


async def test_a_gateway_without_capacity_places_devices_at_others(world: World) -> None:
    async with second_gateway(world):
        await write(world, lambda: world.gateway.sessions.most == 0, capacity=0)
        assert (await told(world, HERE))[0].gateway_name == "gateway-2"


async def test_a_heartbeat_interval_counts_from_the_next_enrollment_on(world: World) -> None:
    early = await world.connected("dev-1")
    await write(world, lambda: world.gateway.settings.heartbeat_interval == 0.5, config={"heartbeatInterval": "500ms"})
    device = await world.device("dev-2")
    assert (await device.enroll()).heartbeat_interval == 500
    await device.beat()
    assert (await world.phase("dev-2", "Connected")).status.heartbeat_interval_milliseconds == 500
    session = world.gateway.sessions.get("dev-1")
    assert session is not None
    assert session.interval == 30.0
    await write(world, lambda: world.gateway.settings.heartbeat_interval == 30.0, config={"heartbeatInterval": None})
    await early.beat()


@pytest.mark.settings(clock=ManualClock)
async def test_a_device_that_resumes_is_awaited_at_the_interval_that_it_was_told(world: World) -> None:
    """A gateway whose interval was shortened meanwhile does not end the session of a device that beats as it was
    told."""
    device = await world.connected("dev-1")
    await device.link.close()
    await world.phase("dev-1", "Disconnected")
    await write(world, lambda: world.gateway.settings.heartbeat_interval == 1.0, config={"heartbeatInterval": "1s"})
    assert isinstance(device.identity, Identity)
    again = await world.dial(device.identity)
    again.id = device.id
    await again.beat()
    await world.phase("dev-1", "Connected")
    await world.clock.advance(80.0)  # type: ignore[attr-defined]
    await again.beat()
    assert world.phases("dev-1")[-1] == "Connected"


@pytest.mark.settings(clock=ManualClock)
async def test_a_connection_timeout_is_rounded_up_to_heartbeats(world: World) -> None:
    device = await world.connected("dev-1")
    await write(world, lambda: world.gateway.settings.missed_heartbeats == 4, config={"connectionTimeout": "95s"})
    await world.clock.advance(91.0)  # type: ignore[attr-defined]
    await device.beat()
    await world.clock.advance(121.0)  # type: ignore[attr-defined]
    await device.closed()
    await world.phase("dev-1", "Disconnected")
    await write(world, lambda: world.gateway.settings.missed_heartbeats == 2, config={"connectionTimeout": "1ms"})


async def test_an_enrollment_timeout_counts_at_once(world: World) -> None:
    world.controller.absent = True
    config = {"enrollmentTimeout": "50ms"}
    await write(world, lambda: world.gateway.settings.enrollment_timeout == 0.05, config=config)
    device = await world.device("dev-1")
    assert "could not be completed" in (await device.refused(device.request())).message


async def test_a_reload_of_the_file_keeps_what_the_spec_says(world: World) -> None:
    config = {"enrollmentTimeout": "7s"}
    await write(world, lambda: world.gateway.settings.enrollment_timeout == 7.0, config=config)
    changed, kept = world.gateway.change(replace(world.settings, enrollment_timeout=3.0, status_interval=2.0))
    assert (sorted(changed), kept) == (["enrollment_timeout", "status_interval"], [])
    assert world.gateway.settings.enrollment_timeout == 7.0
    assert world.gateway.settings.status_interval == 2.0
    await write(world, lambda: world.gateway.settings.enrollment_timeout == 3.0, config=None)


async def pairs(world: World, name: str, token: str | None = None) -> str | None:
    """Ask for a certificate; returns the reason of a refusal."""
    _, csr = world.signing_request(name)
    device = await world.dial(None)
    request = device.request(public_key=read_signing_request(csr).public_key_der, csr=csr, pairing_token=token)
    device.link.send(request)
    answer = (await device.receive()).message
    return None if isinstance(answer, EnrollmentResponse) else answer.message  # type: ignore[union-attr]


@pytest.mark.settings(clock=ManualClock)
async def test_pairing_without_a_token_is_off_on_and_off_again(world: World) -> None:
    refusal = "has to send a signing request and a pairing token"
    assert refusal in (await pairs(world, "dev-1") or "")
    until = format_timestamp(world.clock.now() + 60)
    own = world.gateway._cluster.own_spec
    await write(world, lambda: own.pairs_without_token, pairing={"mode": "on", "until": until})
    assert await pairs(world, "dev-1") is None
    await world.clock.advance(61.0)  # type: ignore[attr-defined]
    assert refusal in (await pairs(world, "dev-2") or "")
    await write(world, lambda: own.pairs_without_token, pairing={"mode": "on", "until": None})
    await write(world, lambda: not own.pairs_without_token, pairing={"mode": "off"})
    assert refusal in (await pairs(world, "dev-2") or "")


async def test_pairing_without_a_token_opens_no_name_that_has_a_token_or_a_device(world: World) -> None:
    await world.connected("dev-1")
    await world.give_token("dev-2")
    own = world.gateway._cluster.own_spec
    await write(world, lambda: own.pairs_without_token, pairing={"mode": "on"})
    assert "already has a session" in (await pairs(world, "dev-1") or "")
    assert "invalid pairing token" in (await pairs(world, "dev-2") or "")
    assert await pairs(world, "dev-2", "sesame") is None


async def test_a_device_that_asks_for_a_board_is_joined_by_its_name_and_not_by_strangers(world: World) -> None:
    await world.api.create(DEVICE, device_with_board("dev-1", "virtual"))
    own = world.gateway._cluster.own_spec
    await write(world, lambda: own.pairs_without_token, pairing={"mode": "on"})
    assert "it needs a pairing token" in (await pairs(world, "dev-1") or "")
    device = await world.connected("dev-1")
    found = world.find_device("dev-1")
    assert found is not None
    assert device.identity is not None
    assert found.spec.public_key == b64encode(device.identity.public_key_der).decode()
    assert found.spec.board.kind == "virtual"
    await device.link.close()
    await world.phase("dev-1", "Disconnected")
    stranger = await world.device("dev-1", world.make_identity("dev-1"))
    assert "registered with another key" in (await stranger.refused(stranger.request())).message
