"""Links that break and come back, heartbeats that stay away, gateways that go down and up."""

import pytest

from harness.stack import Stack
from harness.wasmbed.protocol.messages import Heartbeat


async def test_a_lost_connection_is_noticed_at_once(stack: Stack) -> None:
    """The device becomes Disconnected, stopped, without heartbeat, and says why."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    await board.cut_link()
    await device.until(phase="Disconnected", device_status="Stopped", last_heartbeat=None, error="Connection lost")
    await stack.history.until("ConnectionClosed", about=device.name, source="Device")
    stack.history.follows("connection-lost")


@pytest.mark.requires("device-phases")
async def test_a_device_reconnects_without_enrolling_again(stack: Stack) -> None:
    """A heartbeat with its id on a new mutual TLS session is enough for a device that did not reboot."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    device_id = device.status.device_id
    await board.cut_link()
    await device.until(phase="Disconnected")
    await board.restore_link()
    await device.until(phase="Connected", error=None, device_status="Running", within=15)
    assert device.status.device_id == device_id
    assert len(stack.history.find("EnrollmentRequest", about=device.name)) == 1
    phases = stack.history.phases(device.name)
    assert phases == ["Pending", "Enrolling", "Enrolled", "Connected", "Disconnected", "Connected"]
    stack.history.follows("connection-establishment")
    stack.history.follows("device-connection")


async def test_a_clean_power_off_disconnects(stack: Stack) -> None:
    """A board that is switched off closes its link in order."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    await board.power_off()
    await device.until(phase="Disconnected", device_status="Stopped")
    stack.history.follows("connection-lost")


async def test_a_board_that_loses_power_comes_back_as_the_same_device(stack: Stack) -> None:
    """A board that loses power does not close its link in order; with power again it enrolls anew and keeps its id."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    device_id = device.status.device_id
    await board.cut_power()
    await device.until(phase="Disconnected", within=15)
    await board.power_on()
    await device.until(phase="Connected", within=15)
    assert device.status.device_id == device_id
    stack.history.follows("device-connection")


@pytest.mark.requires("wasm")
@pytest.mark.stack(heartbeat=0.3)
async def test_heartbeats_keep_coming(stack: Stack) -> None:
    """A connected device sends heartbeats at the given interval, and each is acknowledged."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    beat = None
    for _ in range(4):
        beat = await stack.history.until("Heartbeat", about=device.name, source="Device", after=beat)
        await stack.history.until("HeartbeatAcknowledgment", about=device.name, source="Gateway", after=beat)
    assert beat is not None
    assert beat.data["deviceId"] == device.status.device_id
    assert beat.data["runtimeStatus"] == "ready"
    await device.until(phase="Connected")
    stack.history.follows("heartbeat-and-monitoring")


@pytest.mark.stack(heartbeat=0.3)
async def test_three_missed_heartbeats_end_the_session(stack: Stack) -> None:
    """A device whose link is up but that has fallen silent is Disconnected, and its link is closed by the gateway."""
    peer = await stack.mock_board("sleeper")
    await peer.enroll()
    device = await stack.device("sleeper").until(phase="Connected")
    closed = await stack.history.until("ConnectionClosed", about="sleeper", source="Gateway")
    if "gateway-reasons" in stack.gateway.features:
        assert "heartbeat" in closed.data["reason"]
    await device.until(phase="Disconnected", last_heartbeat=None, device_status="Stopped", error="Connection lost")
    await peer.until_closed()
    stack.history.follows("connection-lost")


@pytest.mark.stack(heartbeat=0.3)
async def test_a_device_that_returned_and_falls_silent_is_given_up_each_time(stack: Stack) -> None:
    """A device resumes with one heartbeat and says no more: its session ends as the first one did, twice."""
    first = await stack.mock_board("sleeper")
    device_id = await first.enroll()
    device = await stack.device("sleeper").until(phase="Connected")
    await first.close()
    await device.until(phase="Disconnected")
    for _ in range(2):
        before = stack.history[-1]
        again = await stack.mock_board("sleeper", credentials=first.credentials)
        await again.beat(device_id)
        closed = await stack.history.until("ConnectionClosed", about="sleeper", source="Gateway", after=before)
        if "gateway-reasons" in stack.gateway.features:
            assert "heartbeat" in closed.data["reason"]
        await stack.history.until(
            "Device", about="sleeper", after=before, status=lambda status: "Disconnected" in str(status)
        )
        await again.until_closed()
    await device.until(phase="Disconnected", last_heartbeat=None, error="Connection lost")


@pytest.mark.stack(heartbeat=0.3)
async def test_a_heartbeat_with_another_devices_id_does_not_count(stack: Stack) -> None:
    """A device id that the gateway does not know is answered with ENROLLMENT_FAILED, and moves nothing."""
    peer = await stack.mock_board("stranger")
    peer.send(Heartbeat("00000000-0000-4000-8000-000000000000", 0, "active", {}, "ready"))
    refused = await stack.history.until("Error", source="Gateway")
    assert refused.data["code"] == "ENROLLMENT_FAILED"
    assert not stack.device("stranger").exists
    assert not stack.history.find("HeartbeatAcknowledgment")


@pytest.mark.requires("gateway-stop")
async def test_devices_survive_a_gateway_restart(stack: Stack) -> None:
    """The gateway drains and comes back; every device is Connected again, with the id it had."""
    boards = await stack.boards.power_on(count=3)
    devices = [await stack.device(board).until(phase="Connected") for board in boards]
    ids = [device.status.device_id for device in devices]
    sessions = [device.status.connected_since for device in devices]
    await stack.gateway.restart()
    for device, session in zip(devices, sessions, strict=True):
        await device.until(
            phase="Connected", connected_since=lambda moment, old=session: moment not in (None, old), within=30
        )
    assert [device.status.device_id for device in devices] == ids
    stack.history.follows("device-connection")


@pytest.mark.requires("gateway-kill", "gateway-stop")
async def test_devices_survive_a_killed_gateway(stack: Stack) -> None:
    """A killed gateway closes no link in order; its successor takes the devices over."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    device_id, session = device.status.device_id, device.status.connected_since
    await stack.gateway.kill()
    await stack.gateway.start()
    await device.until(phase="Connected", connected_since=lambda moment: moment not in (None, session), within=30)
    assert device.status.device_id == device_id
    stack.history.follows("device-connection")


@pytest.mark.requires("gateway-stop")
async def test_a_stopped_gateway_leaves_no_device_connected(stack: Stack) -> None:
    """A gateway that goes in order takes its devices to Disconnected and itself to Offline."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    await stack.gateway.stop()
    await device.until(phase="Disconnected")
    await stack.gateway.until(phase="Offline", connected_devices=0)
    stack.history.follows("connection-lost")
