"""Heartbeats, the loss and return of a link, and the end of a gateway."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import RigError
from harness.wasmbed.protocol.messages import DeviceInfo, Error
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE, GATEWAY
from harness.wasmbed.resources.timestamps import format_timestamp
from tests.gateway.world import World


@pytest.mark.settings(clock=ManualClock)
async def test_what_heartbeats_say_is_written_once_per_interval(world: World) -> None:
    device = await world.connected("dev-1")
    for uptime in range(5):
        acknowledgment = await device.beat(metrics={"uptime_ms": uptime}, status="degraded")
        assert acknowledgment.gateway_time == int(world.clock.now() * 1000)
    assert heartbeat_writes(world) == []
    await world.clock.advance(10)
    await world.until(lambda: heartbeat_writes(world))
    assert len(heartbeat_writes(world)) == 1
    found = world.find_device()
    assert found is not None
    assert (found.status.device_metrics, found.status.health) == ({"uptime_ms": 4}, "degraded")
    await world.clock.advance(10)
    await device.beat()
    await world.until(lambda: len(heartbeat_writes(world)) == 2)


@pytest.mark.settings(clock=ManualClock)
async def test_heartbeats_that_say_nothing_new_are_written_every_five_minutes(world: World) -> None:
    """Meanwhile the HTTP API has the latest."""
    device = await world.connected("dev-1")
    for uptime in range(20):
        await world.clock.advance(30)
        await device.beat(metrics={"uptime_ms": uptime})
        _, body = await world.http("GET", "/api/v1/sessions")
        (session,) = body["sessions"]
        assert session["lastHeartbeat"] == format_timestamp(world.clock.now())
        assert session["metrics"] == {"uptime_ms": uptime}
    await world.until(lambda: len(heartbeat_writes(world)) == 2)
    assert [write["deviceMetrics"] for write in heartbeat_writes(world)] == [{"uptime_ms": 9}, {"uptime_ms": 19}]


def heartbeat_writes(world: World) -> list[Any]:
    """The statuses of the Device that were written because of heartbeats after the first."""
    asked = [request for request in world.api.requests if request[:3] == ("patch_status", "Device", "dev-1")]
    return [body["status"] for *_, body in asked if "phase" not in body["status"]]


@pytest.mark.settings(clock=ManualClock)
async def test_a_device_is_asked_for_its_hardware_after_an_enrollment(world: World) -> None:
    """Once for each enrollment; a changed answer is written with the next heartbeat."""

    device = await world.connected("dev-1")
    await device.beat()
    (question,) = device.queries
    information = DeviceInfo(65_536, "armv7-m", ("sign-extension", "bulk-memory"), 8192)
    device.link.send(information, question)
    await device.beat()
    await world.clock.advance(10)
    await world.until(lambda: world.find_device().status.device_info)
    assert world.find_device().status.device_info == {
        "memory": 65_536,
        "architecture": "armv7-m",
        "runtimeFeatures": ["bulk-memory", "sign-extension"],
        "largestModule": 8192,
    }
    writes = len(world.api.requests)
    device.link.send(information)
    await device.beat()
    assert len(world.api.requests) == writes

    device.link.abort()
    await world.phase("dev-1", "Disconnected")
    back = await world.dial(device.identity)
    back.id = device.id
    await back.beat()
    await back.beat()
    assert back.queries == []


@pytest.mark.settings(clock=ManualClock)
async def test_missed_heartbeats_end_a_session(world: World) -> None:
    device = await world.connected("dev-1")
    await world.clock.advance(80)
    await device.beat()
    await world.clock.advance(89)
    assert world.phases()[-1] == "Connected"
    await world.clock.advance(2)
    await device.closed()
    found = await world.phase("dev-1", "Disconnected")
    assert (found.status.last_heartbeat, found.status.device_status) == (None, "Stopped")
    assert found.status.error == "Connection lost"
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert (closed[0], closed[3]["reason"]) == ("Gateway", "3 heartbeats missed")


@pytest.mark.settings(clock=ManualClock)
async def test_a_device_that_is_silent_after_its_enrollment_is_dropped(world: World) -> None:
    device = await world.device("dev-1")
    await device.enroll()
    await world.until_recorded("EnrollmentAcknowledgment")
    await world.clock.advance(91)
    await device.closed()
    await world.phase("dev-1", "Disconnected")


@pytest.mark.settings(clock=ManualClock)
async def test_a_connection_without_a_message_is_closed(world: World) -> None:
    device = await world.device("dev-1")
    await world.until_recorded("TlsConnected")
    await world.clock.advance(10)
    await device.closed()
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[3]["reason"] == "no message within 10 s"


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_lost_link_is_recorded_at_once(world: World, how: str) -> None:
    device = await world.connected("dev-1")
    if how == "close":
        await device.link.close()
    else:
        device.link.abort()
    found = await world.phase("dev-1", "Disconnected")
    assert (found.status.connected_since, found.status.error) == (None, "Connection lost")
    (closed,) = await world.until_recorded("ConnectionClosed")
    assert closed[0] == "Device"
    assert not len(world.gateway.sessions)


async def test_a_device_comes_back_with_a_heartbeat(world: World) -> None:
    first = await world.connected("dev-1")
    first.link.abort()
    await world.phase("dev-1", "Disconnected")
    back = await world.dial(first.identity)
    back.id = first.id
    await back.beat()
    await world.phase("dev-1", "Connected")
    assert world.phases()[-3:] == ["Connected", "Disconnected", "Connected"]
    await back.beat()


async def test_a_device_with_an_unknown_id_is_asked_to_enroll_and_may(world: World) -> None:
    device = await world.device("dev-1")
    device.id = "01234567-89ab-cdef-0123-456789abcdef"
    error = await device.refused(device.heartbeat())
    assert (error.code, error.message) == ("ENROLLMENT_FAILED", "unknown device id: enroll again")
    await device.connect()
    await world.phase("dev-1", "Connected")
    assert device.id != "01234567-89ab-cdef-0123-456789abcdef"


async def test_the_id_of_another_device_ends_the_session(world: World) -> None:
    first, second = await world.connected("dev-1"), await world.connected("dev-2")
    assert (await first.refused(first.heartbeat(device_id=second.id))).code == "ENROLLMENT_FAILED"
    await first.closed()
    await second.beat()


async def test_a_heartbeat_sent_twice_is_a_replay_and_changes_nothing(world: World) -> None:
    device = await world.connected("dev-1")
    message_id = device.link.send(device.heartbeat())
    assert (await device.receive()).message_id == message_id
    device.link.send(device.heartbeat(), message_id)
    replay = await device.receive()
    assert isinstance(replay.message, Error)
    assert (replay.message.code, replay.message_id) == ("REPLAYED_MESSAGE", message_id)
    await device.beat()


async def test_a_revoked_certificate_ends_a_live_session(world: World) -> None:
    first, second = await world.connected("dev-1"), await world.connected("dev-2")
    anonymous = await world.dial(None)
    await world.publish_crl("!")
    await world.revoke(first.identity)
    error = await first.expect(Error)
    assert (error.code, error.action) == ("CERTIFICATE_INVALID", "RENEW_CERTIFICATE")
    assert error.message == "Certificate validation failed: revoked"
    await first.closed()
    await world.phase("dev-1", "Disconnected")
    await second.beat()
    back = await world.dial(first.identity)
    assert (await back.refused(back.request())).code == "CERTIFICATE_INVALID"
    await world.api.delete(CONFIG_MAP, "wasmbed-device-crl")
    again = await world.dial(first.identity)
    assert (await again.refused(again.request())).code == "CERTIFICATE_INVALID"
    anonymous.link.abort()


@pytest.mark.settings(starts=False)
async def test_a_revocation_list_without_content_is_ignored(world: World) -> None:
    await world.api.create(CONFIG_MAP, {"metadata": {"name": "wasmbed-device-crl"}})
    await world.gateway.start()
    await world.connected("dev-1")


async def test_a_deleted_device_has_to_enroll_again(world: World) -> None:
    device = await world.connected("dev-1")
    await world.api.delete(DEVICE, "dev-1")
    error = await device.expect(Error)
    assert error.code == "ENROLLMENT_FAILED"
    await device.closed()
    back = await world.dial(device.identity)
    await back.connect()
    await world.phase("dev-1", "Connected")
    assert back.id != device.id


async def test_a_gateway_that_stops_informs_devices_and_writes_everything(world: World) -> None:
    devices = [await world.connected(f"dev-{n}") for n in range(3)]
    await devices[0].beat(metrics={"uptime_ms": 7})
    stopping = asyncio.create_task(world.gateway.stop())
    for device in devices:
        error = await device.expect(Error)
        assert error.code == "GATEWAY_DRAINING"
        assert 1500 <= (error.retry_after or 0) <= 1520
        await device.closed()
    await stopping
    for n in range(3):
        found = world.find_device(f"dev-{n}")
        assert found is not None
        assert found.status.phase == "Disconnected"
    assert world.find_device("dev-0").status.device_metrics == {"uptime_ms": 7}
    assert world.gateway_object().status.phase == "Offline"
    with pytest.raises(OSError, match=r"refused|Connect"):
        await world.dial(devices[0].identity)


async def test_a_gateway_that_stops_refuses_new_devices(world: World) -> None:
    device = await world.device("dev-1")
    world.gateway.sessions.draining = True
    error = await device.refused(device.request())
    assert (error.code, error.retry_after) == ("GATEWAY_DRAINING", 1500)
    assert (await world.http("GET", "/readyz"))[0] == 503


@pytest.mark.settings(drain_timeout=0.1, close_timeout=0.1)
async def test_a_stop_takes_a_bounded_time(world: World) -> None:
    await world.connected("dev-1")

    def away(verb: str, resource: Any, name: str) -> None:
        if verb == "patch_status":
            raise ApiError({"code": 503, "reason": "ServiceUnavailable", "message": "etcd"})

    world.api.fail = away
    await world.gateway.stop()


async def test_a_killed_gateway_writes_nothing_and_its_successor_corrects_the_record(world: World) -> None:
    device = await world.connected("dev-1")
    await world.connected("dev-2")
    await world.gateway.kill()
    await device.closed()
    assert world.phases("dev-1")[-1] == "Connected"
    (closed, _) = await world.until_recorded("ConnectionClosed", 2)
    assert (closed[0], closed[3]["reason"]) == ("Gateway", "the gateway was killed")
    world.gateway = world.make_gateway()
    await world.gateway.start()
    await world.phase("dev-1", "Disconnected")
    await world.phase("dev-2", "Disconnected")
    back = await world.dial(device.identity)
    back.id = device.id
    await back.beat()
    await world.phase("dev-1", "Connected")


@pytest.mark.settings(clock=ManualClock)
async def test_the_record_is_compared_with_the_sessions_regularly(world: World) -> None:
    device = await world.connected("dev-1")
    lost = {"status": {"phase": "Disconnected", "lastHeartbeat": None, "error": "gateway gateway-1 is offline"}}
    await world.api.patch_status(DEVICE, "dev-1", lost)
    spec = {"publicKey": "AAAA", "deviceType": "mcu"}
    await world.api.create(DEVICE, {"metadata": {"name": "ghost"}, "spec": spec})
    await world.api.patch_status(DEVICE, "ghost", {"status": {"phase": "Connected", "gateway": "gateway-1"}})
    await world.api.create(DEVICE, {"metadata": {"name": "elsewhere"}, "spec": spec})
    await world.api.patch_status(DEVICE, "elsewhere", {"status": {"phase": "Connected", "gateway": "gateway-2"}})
    await world.clock.advance(10)
    found = await world.phase("dev-1", "Connected")
    assert found.status.error is None
    await world.phase("ghost", "Disconnected")
    assert world.find_device("elsewhere").status.phase == "Connected"
    await world.until(lambda: world.gateway_object().status.connected_devices == 1)
    await device.beat()


@pytest.mark.settings(clock=ManualClock, last_seen_interval=1)
async def test_a_phase_that_is_being_written_is_not_written_a_second_time(world: World) -> None:
    answered = asyncio.Event()

    def answer_late(verb: str, resource: Any, name: str) -> Any:
        return answered.wait() if (verb, name) == ("patch_status", "dev-1") else None

    def connections() -> list[Any]:
        asked = [request for request in world.api.requests if request[:3] == ("patch_status", "Device", "dev-1")]
        return [body for *_, body in asked if body["status"].get("phase") == "Connected"]

    device = await world.device("dev-1")
    await device.enroll()
    await world.phase("dev-1", "Enrolled")
    world.api.fail = answer_late
    await device.beat()
    await world.clock.advance(1)
    answered.set()
    await world.phase("dev-1", "Connected")
    await world.clock.advance(1)
    await device.beat()
    assert len(connections()) == 1


async def test_a_loss_is_not_written_over_a_session_at_another_gateway(world: World) -> None:
    answered, asked = asyncio.Event(), asyncio.Event()

    def answer_late(verb: str, resource: Any, name: str) -> Any:
        if (verb, name) != ("patch_status", "dev-1"):
            return None
        asked.set()
        return answered.wait()

    device = await world.connected("dev-1")
    await world.phase("dev-1", "Connected")
    world.api.fail = answer_late
    device.link.abort()
    await asked.wait()
    world.api.fail = lambda verb, resource, name: None
    await world.api.patch_status(DEVICE, "dev-1", {"status": {"phase": "Connected", "gateway": "gateway-2"}})
    answered.set()
    await world.gateway.stop()
    assert world.phases("dev-1")[-1] == "Connected"


@pytest.mark.settings(clock=ManualClock)
async def test_the_gateway_registers_itself_and_stays_alive(world: World) -> None:
    gateway = world.gateway_object()
    host, port = world.gateway.endpoint
    http_host, http_port = world.gateway.http_endpoint
    assert (gateway.spec.endpoint, gateway.spec.capacity) == (f"{host}:{port}", 10_000)
    assert gateway.status.phase == "Online"
    assert gateway.status.api_endpoint == f"http://{http_host}:{http_port}"
    assert gateway.status.version
    before = gateway.status.last_seen
    await world.clock.advance(10)
    await world.until(lambda: world.gateway_object().status.last_seen != before)


async def test_a_restarted_gateway_updates_its_object(world: World) -> None:
    token = world.api.objects["secrets", "gateway-gateway-1-api"]["data"]["token"]
    await world.gateway.stop()
    world.gateway = world.make_gateway()
    await world.gateway.start()
    host, port = world.gateway.endpoint
    assert world.gateway_object().spec.endpoint == f"{host}:{port}"
    assert world.gateway_object().status.phase == "Online"
    assert world.api.objects["secrets", "gateway-gateway-1-api"]["data"]["token"] == token


async def test_a_port_in_use_is_named_in_the_error(world: World) -> None:
    from dataclasses import replace

    for field, taken in (("listen", world.gateway.endpoint), ("http", world.gateway.http_endpoint)):
        other = world.make_gateway(replace(world.settings, name="gateway-2", **{field: taken}))
        with pytest.raises(RigError, match=f"cannot listen for .* at {taken[0]}:{taken[1]}.*in use") as error:
            await other.start()
        assert "choose another" in str(error.value.do)
        with pytest.raises(RuntimeError, match="not started"):
            _ = other.endpoint


@pytest.mark.settings(starts=False, start_timeout=0.2)
async def test_without_an_api_server_the_gateway_does_not_start(world: World) -> None:
    def away(verb: str, resource: Any, name: str) -> None:
        if resource == GATEWAY:
            raise ApiError({"code": 403, "reason": "Forbidden", "message": "gateways is forbidden"})

    world.api.fail = away
    with pytest.raises(RigError, match="gateways is forbidden"):
        await world.gateway.start()

    def silent(verb: str, resource: Any, name: str) -> None:
        raise ConnectionRefusedError("connection refused")

    world.api.fail = silent
    late = world.make_gateway()
    with pytest.raises(RigError, match="API server") as error:
        await late.start()
    assert "CRDs" in str(error.value.do)


@pytest.mark.settings(starts=False)
async def test_two_gateways_that_make_the_token_at_once_agree(world: World) -> None:
    token = b64encode(b"theirs").decode()

    async def overtake(verb: str, resource: Any, name: str) -> None:
        if verb == "create" and name == "gateway-gateway-1-api":
            world.api.fail = lambda verb, resource, name: None
            await world.api.create(resource, {"metadata": {"name": name}, "data": {"token": token}})

    world.api.fail = lambda *asked: overtake(*asked)
    await world.gateway.start()
    assert (await world.http("GET", "/api/v1/sessions", token="theirs"))[0] == 200
