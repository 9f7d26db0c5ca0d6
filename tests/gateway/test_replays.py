"""Replays are refused: messages of a session, and revocation lists."""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest

from harness.wasmbed.gateway.nonces import RecentIds
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.protocol.messages import Error, HeartbeatAcknowledgment
from tests.gateway.world import World


async def test_an_old_heartbeat_is_a_replay(world: World) -> None:
    device = await world.connected()
    for message_id in range(1000, 1020):
        device.link.send(device.heartbeat(), message_id)
        assert isinstance((await device.receive()).message, HeartbeatAcknowledgment)
    for message_id in (1000, 1010, 1019):
        device.link.send(device.heartbeat(metrics={"uptime_ms": 1}), message_id)
        envelope = await device.receive()
        assert isinstance(envelope.message, Error)
        assert (envelope.message.code, envelope.message_id) == ("REPLAYED_MESSAGE", message_id)
    await device.beat()


async def test_the_heartbeat_that_resumes_a_session_is_remembered_too(world: World) -> None:
    first = await world.connected()
    await first.link.close()
    await world.phase("dev-1", "Disconnected")
    again = await world.device(identity=first.identity)
    again.id = first.id
    again.link.send(again.heartbeat(), 7)
    assert isinstance((await again.receive()).message, HeartbeatAcknowledgment)
    again.link.send(again.heartbeat(), 7)
    assert (await again.expect(Error)).code == "REPLAYED_MESSAGE"


def test_a_bounded_number_of_message_ids_is_remembered() -> None:
    recent = RecentIds()
    assert all(recent.is_fresh(number) for number in range(1000))
    assert [number for number in range(1000) if not recent.is_fresh(number)] == []
    assert not any(recent.is_fresh(number) for number in range(936, 1000))
    assert recent.is_fresh(0xFFFF_FFFF)


async def test_a_revocation_list_of_the_same_number_with_other_entries_is_refused_and_recorded(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    victim, bystander = await world.connected("dev-1"), await world.connected("dev-2")
    twin = Authority(world.devices._key, world.devices._certificate, world.clock)
    await world.revoke(victim.identity)
    assert (await victim.expect(Error)).message == "Certificate validation failed: revoked"
    twin.revoke(12345)
    await world.publish_crl(b64encode(twin.crl()).decode())
    (refused,) = await world.until_recorded("RevocationListRefused")
    assert refused[:2] == ("Kubernetes", "Gateway")
    assert refused[3] == {"reason": "revocation list 2 is in use already, with other entries"}
    await world.publish_crl(b64encode(world.devices.crl()).decode())
    await bystander.beat()
    back = await world.device(identity=victim.identity)
    assert (await back.refused(back.request())).code == "CERTIFICATE_INVALID"
    assert len(world.named("RevocationListRefused")) == 1
    assert any("with other entries: the last revocation list stays in force" in line for line in caplog.messages)
