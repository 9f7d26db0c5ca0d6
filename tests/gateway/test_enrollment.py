"""Enrollment with a certificate: the normal case, and the table of errors."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any
from uuid import UUID

import pytest

from harness.wasmbed.pki.authority import Authority, Usages
from harness.wasmbed.protocol.messages import EnrollmentAcknowledgment, Error, StopResult
from harness.wasmbed.resources.api import Invalid
from harness.wasmbed.resources.kinds import DEVICE
from tests.gateway.world import World


async def test_a_device_enrolls_and_is_connected(world: World) -> None:
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


async def test_the_history_has_the_events_in_order(world: World) -> None:
    device = await world.device("dev-1")
    await device.connect()
    await device.link.close()
    await world.until_recorded("ConnectionClosed")
    assert [event[:3] for event in world.events] == [
        ("Device", "Gateway", "TlsConnected"),
        ("Device", "Gateway", "EnrollmentRequest"),
        ("Gateway", "Device", "EnrollmentResponse"),
        ("Device", "Gateway", "EnrollmentAcknowledgment"),
        ("Device", "Gateway", "Heartbeat"),
        ("Gateway", "Device", "HeartbeatAcknowledgment"),
        ("Gateway", "Device", "DeviceInfoRequest"),
        ("Device", "Gateway", "ConnectionClosed"),
    ]
    assert {event[4] for event in world.events} == {"dev-1"}
    assert {event[3]["device"] for event in world.events} == {"dev-1"}
    connected, request = world.events[0][3], world.events[1][3]
    assert connected["version"] == "TLSv1.3"
    assert connected["certificate"]["subject"] == "CN=dev-1"
    assert connected["certificate"]["issuer"] == "CN=devices"
    assert (request["deviceType"], request["messageId"]) == ("virtual", 1)


async def test_a_device_that_enrolls_again_keeps_its_id(world: World) -> None:
    first = await world.connected("dev-1")
    await first.link.close()
    await world.phase("dev-1", "Disconnected")
    second = await world.dial(first.identity)
    await second.connect(firmware_version="1.1", capabilities=["tls", "cbor", "cbor"])
    found = await world.phase("dev-1", "Connected")
    assert second.id == first.id == found.status.device_id
    assert (found.spec.firmware_version, found.spec.capabilities) == ("1.1", ["tls", "cbor"])
    assert world.phases()[3:] == ["Connected", "Disconnected", "Enrolling", "Enrolled", "Connected"]


@pytest.mark.parametrize(
    ("changes", "code", "expected_text"),
    [
        ({"device_type": "toaster"}, "ENROLLMENT_FAILED", "unknown device type 'toaster'; known: mcu, virtual"),
        ({"capabilities": ["tls", "cbor", "warp"]}, "UNSUPPORTED_CAPABILITY", "unknown capabilities warp"),
        ({"capabilities": ["wasm", "tls"]}, "UNSUPPORTED_CAPABILITY", "missing capabilities: cbor"),
        ({"public_key": b"another"}, "CERTIFICATE_INVALID", "the key in the request is not the certificate's"),
    ],
)
async def test_an_invalid_request_is_refused_and_creates_nothing(
    world: World, changes: dict[str, Any], code: str, expected_text: str
) -> None:
    device = await world.device("dev-1")
    error = await device.refused(device.request(**changes))
    assert error.code == code
    assert expected_text in error.message
    assert error.action == ("RENEW_CERTIFICATE" if code == "CERTIFICATE_INVALID" else None)
    await device.closed()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[0] == "Gateway"
    assert closed[3]["reason"].startswith(code)
    assert world.find_device() is None
    assert not len(world.gateway.sessions)


async def test_invalid_certificates_are_answered_and_create_nothing(world: World) -> None:
    now = world.clock.now()
    expired = world.make_identity("dev-1", not_before=now - 100, not_after=now - 50)
    early = world.make_identity("dev-1", not_before=now + 50, not_after=now + 100)
    unfit = world.make_identity("dev-1", usages=Usages(key=("key_agreement",)))
    for identity, reason in ((expired, "expired"), (early, "not yet valid"), (unfit, "wrong key usage")):
        device = await world.dial(identity)
        error = await device.refused(device.request())
        assert (error.code, error.action) == ("CERTIFICATE_INVALID", "RENEW_CERTIFICATE")
        assert f"Certificate validation failed: {reason}" in error.message
        await device.closed()
    assert world.find_device() is None


async def test_a_certificate_of_another_authority_fails_the_handshake(world: World) -> None:
    strangers = Authority.create("strangers", world.clock, algorithm="p256")
    device = await world.dial(world.make_identity("dev-1", strangers))
    assert "alert" in (await device.closed()).lower()
    (rejected,) = await world.until_recorded("TlsRejected")
    assert rejected[:2] == ("Device", "Gateway")
    assert rejected[3]["reason"].startswith("certificate verification failed")
    assert world.named("TlsConnected") == []
    assert world.find_device() is None


async def test_a_key_other_than_the_registered_one_is_refused(world: World) -> None:
    first = await world.connected("dev-1")
    await first.link.close()
    before = await world.phase("dev-1", "Disconnected")
    impostor = await world.device("dev-1")
    error = await impostor.refused(impostor.request())
    assert error.code == "CERTIFICATE_INVALID"
    assert "registered with another key" in error.message
    await impostor.closed()
    after = world.find_device()
    assert after is not None
    assert after.resource_version == before.resource_version


async def test_a_device_has_one_session_at_a_time(world: World) -> None:
    first = await world.connected("dev-1")
    second = await world.dial(first.identity)
    error = await second.refused(second.request())
    assert error.code == "DUPLICATE_DEVICE"
    assert error.retry_after is not None
    assert 1_000 <= error.retry_after <= 30_000
    await second.closed()
    again = await world.dial(first.identity)
    again.id = first.id
    assert (await again.refused(again.heartbeat())).code == "DUPLICATE_DEVICE"
    assert (await first.refused(first.request())).code == "DUPLICATE_DEVICE"
    await first.beat()
    assert world.phases()[-1] == "Connected"


async def test_a_request_made_twice_is_a_replay(world: World) -> None:
    device = await world.device("dev-1")
    request = device.request()
    message_id = device.link.send(request)
    assert (await device.receive()).message_id == message_id
    error = await device.refused(request)
    assert error.code == "REPLAYED_MESSAGE"
    await device.link.close()
    await world.phase("dev-1", "Disconnected")
    later = await world.dial(device.identity)
    assert (await later.refused(request)).code == "REPLAYED_MESSAGE"
    await later.closed()
    assert world.phases()[-1] == "Disconnected"


async def test_the_controller_may_refuse(world: World) -> None:
    world.controller.refuses = "no room for such devices"
    device = await world.device("dev-1")
    error = await device.refused(device.request())
    assert (error.code, error.message) == ("ENROLLMENT_FAILED", "no room for such devices")
    await device.closed()
    assert world.phases()[-1] == "Failed"
    world.controller.refuses = None
    second = await world.dial(device.identity)
    await second.connect()
    await world.phase("dev-1", "Connected")


@pytest.mark.settings(enrollment_timeout=0.1)
async def test_without_a_controller_a_device_is_asked_to_retry(world: World) -> None:
    world.controller.absent = True
    device = await world.device("dev-1")
    error = await device.refused(device.request())
    assert (error.code, error.retry_after) == ("ENROLLMENT_FAILED", 1500)
    await device.closed()
    await world.phase("dev-1", "Disconnected")
    world.controller.absent = False
    second = await world.dial(device.identity)
    await second.connect()
    await world.phase("dev-1", "Connected")


@pytest.mark.parametrize("verb", ["create", "patch_status"])
@pytest.mark.settings(enrollment_timeout=0.2)
async def test_an_unreachable_api_server_leaves_no_device_half_enrolled(world: World, verb: str) -> None:
    def away(asked: str, resource: Any, name: str) -> None:
        if asked == verb and name == "dev-1":
            raise ConnectionRefusedError("connection refused")

    world.api.fail = away
    device = await world.device("dev-1")
    error = await device.refused(device.request())
    assert (error.code, error.retry_after) == ("ENROLLMENT_FAILED", 1500)
    await device.closed()
    world.api.fail = lambda verb, resource, name: None
    if verb == "create":
        assert world.find_device() is None
    else:
        await world.phase("dev-1", "Disconnected")
    second = await world.dial(device.identity)
    await second.connect()
    await world.phase("dev-1", "Connected")


async def test_an_enrollment_continues_after_a_create_whose_answer_was_lost(world: World) -> None:
    create = world.api.create

    async def lose_answer(resource: Any, body: Any) -> Any:
        await create(resource, body)
        raise ConnectionResetError("connection reset")

    world.api.create = lose_answer
    await world.connected("dev-1")
    assert [name for verb, kind, name, _ in world.api.requests if (verb, kind) == ("create", "Device")] == ["dev-1"]


async def test_a_device_that_another_gateway_just_created_is_found(world: World) -> None:
    device = await world.device("dev-1")
    spec = {"publicKey": b64encode(device.identity.public_key_der).decode(), "deviceType": "virtual"}
    held = asyncio.Event()

    async def interfere(kind: Any, body: Any) -> Any:
        world.api.create = create
        world.api.fail = lambda verb, resource, name: held.wait() if verb == "watch" else None
        await create(kind, {"metadata": {"name": "dev-1"}, "spec": spec})
        return await create(kind, body)

    create, world.api.create = world.api.create, interfere
    await device.connect()
    await world.phase("dev-1", "Connected")
    held.set()


async def test_a_request_that_breaks_the_schema_names_the_reason(world: World) -> None:
    def invalid(verb: str, resource: Any, name: str) -> None:
        if verb == "create" and name == "dev-1":
            raise Invalid({"code": 422, "reason": "Invalid", "message": "spec.mcuType: Too long"})

    world.api.fail = invalid
    device = await world.device("dev-1")
    error = await device.refused(device.request())
    assert (error.code, error.retry_after) == ("ENROLLMENT_FAILED", None)
    assert "spec.mcuType: Too long" in error.message


async def test_a_device_deleted_while_it_enrolls_may_try_again(world: World) -> None:
    world.controller.absent = True
    device = await world.device("dev-1")
    device.link.send(device.request())
    await world.phase("dev-1", "Enrolling")
    await world.api.delete(DEVICE, "dev-1")
    error = await device.expect(Error)
    assert (error.code, error.retry_after) == ("ENROLLMENT_FAILED", 1500)
    assert "deleted" in error.message


async def test_a_message_out_of_order_ends_the_session(world: World) -> None:
    device = await world.device("dev-1")
    assert (await device.refused(EnrollmentAcknowledgment(str(UUID(int=1))))).code == "PROTOCOL_ERROR"
    await device.closed()
    second = await world.dial(device.identity)
    await second.enroll()
    assert (await second.refused(StopResult("app-1", True))).code == "PROTOCOL_ERROR"
    await second.closed()
    await world.phase("dev-1", "Disconnected")
