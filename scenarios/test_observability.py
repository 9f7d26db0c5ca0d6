"""A gateway describes itself - sessions, metrics, its resource - and keeps nothing of connections that have ended."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.stack import MockBoard, Stack
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import ApplicationState, Deploy, Error, HeartbeatAcknowledgment, Stop, StopResult

PLACES = 2
SETTLES = 30
"""Looks at a gateway that ends what it is about, and writes what is due."""


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


async def gone(stack: Stack, board: MockBoard) -> None:
    """Close its connection and wait until the gateway has noticed."""
    await board.close()
    await stack.history.until("ConnectionClosed", about=board.name)


async def _until_sessions(stack: Stack, names: set[str]) -> None:
    """Wait until the gateway has sessions of these devices only: it may learn of an end after the record has it."""

    async def has_them() -> bool:
        return set(await stack.gateway.sessions()) == names

    await _settles(stack, has_them)
    assert set(await stack.gateway.sessions()) == names


async def _settles(stack: Stack, holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask the gateway until something holds, for half a minute. Time passes between two questions, also in a
    simulation."""
    end = stack.clock.now() + 30
    while not await holds() and stack.clock.now() < end:
        await stack.clock.sleep(0.02)


def _disconnected(status: Mapping[str, Any]) -> bool:
    return status.get("phase") == "Disconnected"


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.requires("applications", "gateway-http")
async def test_sessions_are_those_that_are_there(stack: Stack) -> None:
    """Each device with id, state, since when, last heartbeat and applications; gone with its link."""
    meter, other = await enrolled(stack), await enrolled(stack, "other")
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    sessions = await stack.gateway.sessions()
    assert set(sessions) == {"meter", "other"}
    assert sessions["meter"]["deviceId"] == meter.device_id
    assert sessions["meter"]["state"] == "connected"
    assert sessions["meter"]["connectedSince"] == stack.device("meter").status.connected_since
    assert sessions["meter"]["applications"] == {"app": "running"}
    assert sessions["other"]["applications"] == {}
    before = sessions["meter"]
    await meter.beat(app=ApplicationState.RUNNING)
    after = (await stack.gateway.sessions())["meter"]
    assert after["lastHeartbeat"] > before["lastHeartbeat"]
    assert after["connectedSince"] == before["connectedSince"] == stack.device("meter").status.connected_since
    await application.stop()
    await meter.obey_stop()
    await application.until(phase="Stopped")
    assert (await stack.gateway.sessions())["meter"]["applications"] == {}
    await gone(stack, other)
    await _until_sessions(stack, {"meter"})


@pytest.mark.requires("applications", "gateway-http")
async def test_metrics_count_what_happened(stack: Stack) -> None:
    """Sessions by state, messages by type, enrollments and jobs by result, rejected handshakes, status writes."""
    gateway = stack.gateway
    meter = await enrolled(stack)
    assert await gateway.metric("sessions", state="connected") == 1
    assert await gateway.metric("enrollments_total", result="ok") == 1
    assert await gateway.metric("messages_total", type="EnrollmentRequest") == 1
    beats = await gateway.metric("messages_total", type="Heartbeat")
    for _ in range(3):
        await meter.beat()
    assert await gateway.metric("messages_total", type="Heartbeat") == beats + 3
    twin = await stack.mock_board("meter", credentials=meter.credentials)
    twin.send(twin.request())
    await twin.until_closed()
    assert await gateway.metric("enrollments_total", result="DUPLICATE_DEVICE") == 1
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    await application.stop()
    await meter.obey_stop()
    await application.until(phase="Stopped")
    assert await gateway.metric("jobs_total", job="deployment", result="ok") == 1
    assert await gateway.metric("jobs_total", job="stopping", result="ok") == 1
    stranger = await stack.boards.power_on(name="stranger", certificate="unknown-authority")
    await stack.history.until("TlsRejected")
    await stranger.power_off()

    async def counts_them() -> bool:
        return bool(await gateway.metric("tls_rejected_total") == len(stack.history.find("TlsRejected")))

    await _settles(stack, counts_them)
    assert await gateway.metric("tls_rejected_total") == len(stack.history.find("TlsRejected"))
    assert await gateway.metric("status_writes_total") >= 3
    await gone(stack, meter)
    await stack.device("meter").until(phase="Disconnected")
    assert await gateway.metric("sessions", state="connected") == 0


@pytest.mark.requires("applications", "gateway-http")
async def test_failed_and_cancelled_jobs_are_counted_as_such(stack: Stack) -> None:
    """A deployment that the device refuses, and one that is deleted in the middle."""
    meter = await enrolled(stack)
    refused = await stack.deploy("hello", to="meter", name="refused")
    delivery = await meter.receive_module()
    meter.send(Error("TOO_LARGE", "no room"), delivery.message_id)
    await refused.until_on("meter", state="failed")
    assert await stack.gateway.metric("jobs_total", job="deployment", result="failed") == 1
    assert await stack.gateway.metric("jobs_total", job="deployment", result="ok") == 0


@pytest.mark.stack(beat=0.3)
async def test_the_gateway_says_how_many_devices_it_has(stack: Stack) -> None:
    """connectedDevices follows: two, one, none; and lastSeen moves on."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    await stack.gateway.until(phase="Online", connected_devices=2)
    seen = stack.gateway.status.last_seen
    await one.close()
    await stack.gateway.until(connected_devices=1, last_seen=lambda moment: moment > seen)
    await two.close()
    await stack.gateway.until(connected_devices=0)


@pytest.mark.requires("gateway-api-faults", "gateway-http")
async def test_status_writes_that_failed_are_counted_and_none_stays_pending(stack: Stack) -> None:
    """Two writes fail and are made again: two failures, nothing pending."""
    meter = await stack.mock_board("meter")
    with stack.api_faults.failing("patch_status", client="Gateway", kind="Device", code=500, times=2):
        await meter.enroll()
        await stack.device("meter").until(phase="Connected", within=20)
    assert await stack.gateway.metric("status_failures_total") == 2

    async def has_none() -> bool:
        return not await stack.gateway.metric("status_pending")

    await _settles(stack, has_none)
    assert await stack.gateway.metric("status_pending") == 0


@pytest.mark.requires("gateway-http")
async def test_a_hundred_connections_leave_nothing_behind(stack: Stack) -> None:
    """Enrolled, refused, cut off in a frame, without a word: the gateway has no session, task or descriptor more."""
    meter = await enrolled(stack)
    await gone(stack, await enrolled(stack, "first"))
    before, files = len(asyncio.all_tasks()), _descriptors()
    boards = [await stack.mock_board(f"guest-{number}") for number in range(20)]
    for number, board in enumerate(boards):
        if number % 4 == 0:
            await board.enroll()
        elif number % 4 == 1:
            board.device_id = meter.device_id
            board.send(board.heartbeat())
        elif number % 4 == 2:
            board.write(frame(bytes(64))[:20])
    for board in boards:
        await gone(stack, board)
    for number in range(0, 20, 4):
        await stack.history.until("PATCH Device", about=f"guest-{number}", source="Gateway", status=_disconnected)
    for _ in range(80):
        again = await stack.mock_board("first", credentials=boards[0].credentials)
        await again.close()
    while len(stack.history.find("ConnectionClosed") + stack.history.find("TlsRejected")) < 101:
        await stack.history.until(after=stack.history[-1], reason=bool)
    await _until_sessions(stack, {"meter"})

    async def has_none() -> bool:
        return not await stack.gateway.metric("sessions", state="opened")

    await _settles(stack, has_none)
    assert await stack.gateway.metric("sessions", state="opened") == 0
    await meter.beat()
    kept = 1 if stack.gateway.in_process else 20  # of a hundred; a gateway elsewhere is a client of the cluster
    assert len(asyncio.all_tasks()) <= before + kept, [task.get_name() for task in asyncio.all_tasks()]
    assert _descriptors() <= files + 5  # of a hundred; clients of a cluster keep some connections


@pytest.mark.requires("gateway-settings", "gateway-stop")
async def test_work_that_is_done_leaves_no_object_behind(stack: Stack) -> None:
    """A deployment that ran, one that was deleted in the middle, and a device that has gone: the gateway has the
    objects that it had before."""
    await stack.gateway.restart(status_interval=0.1)
    meter = await enrolled(stack)
    before = stack.gateway.objects()
    for name in ("runs", "cancelled"):
        application = await stack.deploy("hello", to="meter", name=name)
        if name == "runs":
            await meter.run_module()
            await application.until(phase="Running")
        else:
            await meter.expect(Deploy)
        await application.delete()
        while not isinstance((await meter.receive()).message, Stop):  # chunks were under way
            pass
        meter.send(StopResult(name, ok=True), meter.latest)
        await application.until_gone()
    await gone(stack, await enrolled(stack, "guest"))
    await stack.device("guest").until(phase="Disconnected")
    for _ in range(SETTLES):
        if not stack.gateway.objects() - before:
            break
        await stack.clock.sleep(0.1)
    assert stack.gateway.objects() - before == Counter()


@pytest.mark.requires("gateway-settings", "gateway-stop")
async def test_deployments_that_failed_keep_no_place(stack: Stack) -> None:
    """A device has as many applications as the gateway keeps for one at most; all are refused, and deleted: the next
    one runs."""
    await stack.gateway.restart(device_applications=PLACES)
    meter = await enrolled(stack)
    for number in range(PLACES):
        refused = await stack.deploy("hello", to="meter", name=f"refused-{number}")
        delivery = await meter.receive_module()
        meter.send(Error("TOO_LARGE", "no room"), delivery.message_id)
        await refused.until_on("meter", state="failed")
        await refused.delete()
        stop = await stack.history.until("Stop", about=refused.name, source="Gateway")
        await meter.expect(Stop)
        meter.send(StopResult(refused.name, ok=True), stop.data["messageId"])
        await refused.until_gone()
    application = await stack.deploy("hello_again", to="meter", name="following")
    await meter.run_module()
    await application.until(phase="Running")


@pytest.mark.requires("gateway-http")
async def test_health_and_readiness_of_the_http_api(stack: Stack) -> None:
    """Ready while it serves; nothing answers when it has gone; unknown paths and devices are said to be unknown."""
    assert await stack.gateway.ask("GET", "/healthz", token="") == (200, "ok\n")
    assert await stack.gateway.ask("GET", "/readyz", token="") == (200, "ok\n")
    status, text = await stack.gateway.ask("GET", "/api/v1/applications/app/devices/absent")
    assert (status, "absent" in text) == (404, True)
    assert (await stack.gateway.ask("DELETE", "/api/v1/applications/app/devices/absent"))[0] == 404
    assert (await stack.gateway.ask("PUT", "/api/v1/applications/app/devices/absent", body={"no": "module"}))[0] == 400
    assert (await stack.gateway.ask("GET", "/nowhere", token=""))[0] == 404


@pytest.mark.stack(heartbeat=0.3)
async def test_unanswered_peers_leave_no_timer(stack: Stack) -> None:
    """A device that fell silent is given up once; the record has one loss and one end."""
    meter = await enrolled(stack)
    closed = await stack.history.until("ConnectionClosed", about="meter", source="Gateway")
    if "gateway-reasons" in stack.gateway.features:
        assert "heartbeats missed" in closed.data["reason"]
    await meter.until_closed()
    await stack.device("meter").until(phase="Disconnected")
    other = await enrolled(stack, "other")
    sent = other.send(other.heartbeat())
    await other.expect(HeartbeatAcknowledgment, sent)
    await stack.recorded()
    assert len(stack.history.find("ConnectionClosed", about="meter")) == 1
    assert stack.history.phases("meter").count("Disconnected") == 1
