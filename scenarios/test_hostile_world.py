"""The platform survives API server errors, concurrent writers, gateway crashes, and controller failover."""

import asyncio
from base64 import b64encode
from itertools import pairwise

import pytest

from harness.core.history import Event
from harness.core.network import Endpoint
from harness.stack import MockBoard, Stack
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    DeploymentResult,
    EnrollmentAcknowledgment,
    EnrollmentResponse,
    Error,
    ErrorCode,
    Publication,
)
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY, LEASE, SECRET

WATCHES = [
    ("Gateway", DEVICE),
    ("DeviceController", DEVICE),
    ("ApplicationController", APPLICATION),
    ("GatewayController", GATEWAY),
]
ATTEMPTS = 12
"""How often a device comes back that the gateway asks to."""


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that reached Connected; it enrolls again as often as the gateway asks it to."""
    board = await admitted(stack, await stack.mock_board(name))
    await stack.device(name).until(phase="Connected")
    return board


async def admitted(stack: Stack, board: MockBoard, endpoint: Endpoint | None = None) -> MockBoard:
    """The board, or the same device on the connection on which it was enrolled in the end."""
    for _ in range(ATTEMPTS):
        board.send(board.request())
        message = (await board.receive()).message
        if isinstance(message, EnrollmentResponse):
            board.reply(EnrollmentAcknowledgment(message.device_id))
            await board.beat(message.device_id)
            return board
        assert isinstance(message, Error)
        assert message.retry_after
        await board.until_closed()
        await stack.clock.sleep(message.retry_after / 1000)
        board = await stack.mock_board(board.name, credentials=board.credentials, endpoint=endpoint)
    await board.enroll()
    return board


# The API server.


@pytest.mark.requires("gateway-api-faults")
@pytest.mark.parametrize("code", [None, 500, 503, 429, 504], ids=["away", "500", "503", "429", "504"])
async def test_devices_live_through_an_outage_of_the_api_server(stack: Stack, code: int | None) -> None:
    """Sessions continue during an outage of the API server; messages of that time are written when it is back."""
    meter, other = await enrolled(stack), await enrolled(stack, "other")
    with stack.api_faults.failing("patch_status", client="Gateway", kind="Device", code=code) as outage:
        await meter.beat()
        await other.close()
        await outage.reached.wait()
        await meter.beat()
        assert stack.device("other").status.phase == "Connected"
    await stack.device("other").until(phase="Disconnected", error="Connection lost", within=20)
    await meter.beat()
    assert stack.history.phases("meter").count("Disconnected") == 0


@pytest.mark.requires("device-phases", "gateway-api-faults")
@pytest.mark.stack(heartbeat=1.0)
async def test_a_device_that_is_deleted_while_it_enrolls_enrolls_again(stack: Stack) -> None:
    """The gateway learns that it was accepted and that it is gone in one moment, and has no session to end yet."""
    with stack.api_faults.holding("event", client="Gateway", kind="Device"):
        board = await stack.boards.power_on()
        device = stack.device(board)
        await stack.history.until("PATCH Device", about=board.name, source="DeviceController", code=200)
        await device.delete()
        gone = await stack.history.until("Device", about=board.name, change="deleted")
    await stack.history.until("Device", about=board.name, change="added", after=gone, within=30)
    await device.until(phase="Connected", within=30)


@pytest.mark.requires("device-phases", "gateway-api-faults")
@pytest.mark.parametrize("code", [500, 409, None], ids=["500", "409", "away"])
async def test_an_enrollment_lives_through_a_failing_write(stack: Stack, code: int | None) -> None:
    """The first two status writes of an enrollment fail; the gateway repeats them and answers the device once."""
    meter = await stack.mock_board("meter")
    with stack.api_faults.failing("patch_status", client="Gateway", kind="Device", code=code, times=2) as fault:
        await meter.enroll()
        await stack.device("meter").until(phase="Connected", within=20)
    assert fault.hit == 2
    assert stack.history.phases("meter") == ["Pending", "Enrolling", "Enrolled", "Connected"]
    assert len(stack.history.find("EnrollmentResponse")) == 1


@pytest.mark.requires("gateway-api-faults")
async def test_a_device_that_comes_in_an_outage_is_told_to_come_again(stack: Stack) -> None:
    """While the API server cannot create the Device, the gateway refuses with retry-after; later the device enrolls."""
    meter = await stack.mock_board("meter")
    with stack.api_faults.failing("create", client="Gateway", kind="Device", code=503):
        meter.send(meter.request())
        error = await meter.expect(Error, within=60)
        assert error.code == ErrorCode.ENROLLMENT_FAILED
        assert error.retry_after is not None
        await meter.until_closed()
    assert not stack.device("meter").exists
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.enroll()
    await stack.device("meter").until(phase="Connected")


@pytest.mark.requires("applications", "controllers-api-faults", "gateway-api-faults", "gateway-http")
@pytest.mark.parametrize("code", [0, 410, 500], ids=["ended", "410", "500"])
@pytest.mark.requires("wasm")
async def test_watches_that_end_are_taken_up_again(stack: Stack, code: int) -> None:
    """Every watch of the platform ends, or its version is no longer kept: what happens afterwards is seen, once."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    for client in ("Gateway", "DeviceController", "ApplicationController", "GatewayController"):
        assert stack.api_faults.break_watches(client=client, code=code)
    application = await stack.deploy("hello", to=board)
    late = await stack.boards.power_on(name="late")
    await stack.device(late).until(phase="Connected", within=30)
    await application.until(phase="Running", within=30)
    assert len(stack.history.find("Deploy", about=application.name)) == 1
    await application.delete()
    await application.until_gone(within=30)


@pytest.mark.requires("gateway-api-faults")
async def test_a_late_event_takes_a_gateway_back_to_nothing_older(stack: Stack) -> None:
    """Watch events arrive later than the answers to the writes that they report. A device was lost and has returned
    when the event comes that it was lost. The next write is judged by the newest form, so that it succeeds at once."""
    meter = await enrolled(stack)
    device = stack.device("meter")
    with stack.api_faults.holding("event", client="Gateway", kind="Device", times=1) as first:
        await meter.close()
        await device.until(phase="Disconnected")
        back = await stack.mock_board("meter", credentials=meter.credentials)
        await back.beat(meter.device_id)
        await device.until(phase="Connected")
        await first.reached.wait()
        begin = stack.history[-1]
        with stack.api_faults.holding("event", client="Gateway", kind="Device") as later:
            first.released.set()
            await later.reached.wait()
            await back.close()
            await device.until(phase="Disconnected")
    written = stack.history.find("PATCH Device", source="Gateway", about="meter", after=begin)
    moves = [
        (event.data["code"], event.data["status"]["phase"]) for event in written if "phase" in event.data["status"]
    ]
    assert moves == [(200, "Disconnected")]


@pytest.mark.requires("applications", "controllers-api-faults", "gateway-api-faults", "virtual-time")
@pytest.mark.parametrize(("client", "resource"), WATCHES, ids=[client for client, _ in WATCHES])
async def test_a_watch_that_fails_is_tried_again_soon_and_then_less_often(
    stack: Stack, client: str, resource: Resource
) -> None:
    """The pauses between attempts grow from a short one: the shortest of seven is a quarter of the longest at most."""
    await enrolled(stack)
    application = await stack.deploy("hello", to="nobody", name="app")
    name = {DEVICE: "meter", APPLICATION: "app", GATEWAY: stack.gateway.name}[resource]
    assert stack.api_faults.break_watches(client=client, kind=resource.kind)
    with stack.api_faults.failing("watch", client=client, kind=resource.kind, code=503) as fault:
        await stack.api.patch(resource, name, {"metadata": {"labels": {"changed": "yes"}}})
        await fault.met(8)
        assert min(fault.pauses) <= max(fault.pauses) / 4
    await application.delete()
    await application.until_gone(within=60)


@pytest.mark.requires("applications", "controllers-api-faults", "gateway-api-faults", "gateway-http")
@pytest.mark.parametrize("client", ["ApplicationController", "DeviceController", "Gateway"])
@pytest.mark.requires("wasm")
async def test_conflicts_are_resolved(stack: Stack, client: str) -> None:
    """Three writes of one party in a row conflict with another client's: each is repeated on the current resource."""
    with stack.api_faults.failing("patch_status", "patch", client=client, code=409, times=3):
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=30)
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running", within=30)
    assert len(stack.history.find("DeploymentResult", about=application.name)) == 1
    stack.history.follows("application-deployment")


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_an_application_lives_through_an_outage(stack: Stack) -> None:
    """The application controller cannot write while the device answers; afterwards the Application shows the device's
    state."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    with stack.api_faults.failing(client="ApplicationController", kind="Application", code=503) as outage:
        application = await stack.deploy("hello", to=board)
        await outage.reached.wait()
    await application.until(phase="Running", statistics={"running": 1}, within=60)


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_that_is_deleted_while_watches_are_down_is_noticed(stack: Stack) -> None:
    """The controllers' watches end with 410, and a device is deleted before they are back: the list says that it is
    gone, and the application has a target less."""
    one, two = await enrolled(stack, "one"), await enrolled(stack, "two")
    application = await stack.deploy("hello", to="all", name="app")
    await one.run_module()
    await two.run_module()
    await application.until(phase="Running", statistics={"target": 2})
    assert stack.api_faults.break_watches(client="DeviceController", kind="Device", code=410)
    with stack.api_faults.holding("watch", "list", client="DeviceController", kind="Device"):
        await stack.device("one").delete()
        await stack.device("one").until_gone()
        await two.beat()
    await application.until(phase="Running", statistics={"target": 1, "running": 1}, within=20)


# Others who write.


@pytest.mark.requires("device-phases")
async def test_a_device_that_another_client_creates_is_judged(stack: Stack) -> None:
    """Another client creates a Device whose key is invalid: the controller does not enroll it, and says why."""
    spec = {"publicKey": b64encode(b"no key").decode(), "deviceType": "mcu"}
    body = {"apiVersion": DEVICE.api_version, "kind": DEVICE.kind, "metadata": {"name": "ghost"}, "spec": spec}
    await stack.api.create(DEVICE, body)
    await stack.api.patch_status(DEVICE, "ghost", {"status": {"phase": "Enrolling", "gateway": "gateway-9"}})
    await stack.device("ghost").until(
        phase="Failed", health="unhealthy", error=lambda error: "publicKey" in (error or "")
    )
    spec = {"publicKey": b64encode(b"\x30\x00").decode()}
    await stack.api.patch(DEVICE, "ghost", {"spec": spec})
    await stack.api.patch_status(DEVICE, "ghost", {"status": {"phase": "Enrolling"}})
    await stack.device("ghost").until(phase="Enrolled", error=None)


@pytest.mark.stack(beat=0.5)
async def test_a_device_that_another_client_wrote_disconnected_is_corrected(stack: Stack) -> None:
    """Another client overwrites the Device's status during a session; the gateway corrects it and the session
    continues."""
    meter = await enrolled(stack)
    since = stack.device("meter").status.connected_since
    await meter.beat()
    lost = {"phase": "Disconnected", "error": "says who", "connectedSince": None, "lastHeartbeat": None}
    device = stack.device("meter")
    await device.wrote(await stack.api.patch_status(DEVICE, "meter", {"status": lost}))
    await stack.device("meter").until(phase="Connected", error=None, connected_since=since)
    await meter.beat()
    await stack.recorded()
    assert not stack.history.find("ConnectionClosed")


@pytest.mark.stack(beat=0.5)
async def test_a_device_that_another_client_wrote_connected_is_corrected(stack: Stack) -> None:
    """Another client writes that a disconnected device is Connected; the gateway that the Device names corrects it."""
    meter = await enrolled(stack)
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    device = stack.device("meter")
    await device.wrote(await stack.api.patch_status(DEVICE, "meter", {"status": {"phase": "Connected"}}))
    await stack.device("meter").until(phase="Disconnected", error="Connection lost")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_an_application_that_a_stranger_rewrote_is_set_right(stack: Stack) -> None:
    """Another client's statistics and health are replaced when the device reports; its annotations stay."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter")
    await meter.run_module()
    await application.until(phase="Running")
    mine = {"metadata": {"annotations": {"example.com/mine": "1"}}}
    await application.wrote(await stack.api.patch(APPLICATION, application.name, mine))
    wrong = {"health": "unhealthy", "statistics": {"running": 7}, "error": "rumours"}
    await application.wrote(await stack.api.patch_status(APPLICATION, application.name, {"status": wrong}))
    await application.until(phase="Running", health="healthy", statistics={"running": 1}, error=None, within=20)
    assert application.resource.metadata["annotations"] == {"example.com/mine": "1"}


@pytest.mark.requires("applications", "gateway-http")
async def test_a_deployment_that_is_lost_from_the_record_is_not_repeated_on_the_device(stack: Stack) -> None:
    """Another client garbles an Application's status, so that its deployment is ordered again: the gateway knows that
    the device has just that, sends nothing, and writes its state again."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter")
    await meter.run_module()
    meter.send(ApplicationStatus(application.name, ApplicationState.RUNNING, {}, None, [Publication("a", b"b")]))
    await application.until_on("meter", state="running", output=len)
    ordered = await stack.history.until("DeployApplication", about=application.name)
    lost = {"state": None, "deployment": {"session": "2020-01-01T00:00:00Z"}}
    await stack.api.patch_status(APPLICATION, application.name, {"status": {"deviceStatuses": {"meter": lost}}})
    await stack.history.until("DeployApplication", about=application.name, after=ordered)
    await application.until_on("meter", state="running", generation=1)
    await application.until(phase="Running", health="healthy")
    assert application.output("meter") == [("a", "b")]
    assert len(stack.history.find("Deploy", about=application.name)) == 1


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.stack(beat=0.5)
async def test_what_a_device_has_is_known_after_its_record_was_corrected(stack: Stack) -> None:
    """Another client writes the Device Disconnected, and garbles the Application's status. The gateway corrects the
    Device; when the deployment is ordered again, it knows without a heartbeat that the device has just that."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter")
    await meter.run_module()
    await application.until(phase="Running")
    ordered = await stack.history.until("DeployApplication", about=application.name)
    device = stack.device("meter")
    since = device.status.connected_since
    lost = {"phase": "Disconnected", "error": "says who", "connectedSince": None, "lastHeartbeat": None}
    await device.wrote(await stack.api.patch_status(DEVICE, "meter", {"status": lost}))
    await device.until(phase="Connected", error=None, connected_since=since)
    garbled = {"state": None, "deployment": {"session": "2020-01-01T00:00:00Z"}}
    await stack.api.patch_status(APPLICATION, application.name, {"status": {"deviceStatuses": {"meter": garbled}}})
    await stack.history.until("DeployApplication", about=application.name, after=ordered)
    await application.until_on("meter", state="running")
    assert len(stack.history.find("Deploy", about=application.name)) == 1


@pytest.mark.requires("applications", "gateway-http")
async def test_labels_decide_and_changed_labels_decide_anew(stack: Stack) -> None:
    """A selector with two labels means devices that have both. One that loses a label is stopped and forgotten; one
    that gets it is deployed to."""
    both, one, none = [await enrolled(stack, name) for name in ("both", "one", "none")]
    await stack.device("both").label(site="roof", kind="pump")
    await stack.device("one").label(site="roof")
    application = await stack.deploy("hello", to={"site": "roof", "kind": "pump"}, name="app")
    await both.run_module()
    await application.until(phase="Running", statistics={"target": 1, "running": 1})
    await stack.device("one").label(kind="pump")
    await one.run_module()
    await application.until(phase="Running", statistics={"target": 2, "running": 2})
    await stack.device("both").label(site="cellar")
    await both.obey_stop()
    await application.until(
        statistics={"target": 1, "running": 1}, device_statuses=lambda entries: list(entries) == ["one"]
    )
    await none.beat()
    await stack.recorded()
    assert {event.data["device"] for event in stack.history.find("Deploy")} == {"both", "one"}


@pytest.mark.requires("applications", "gateway-http")
async def test_a_target_that_leaves_while_its_device_is_away(stack: Stack) -> None:
    """The spec names another device meanwhile. The one that is back is stopped when it names the application."""
    first, second = await enrolled(stack, "first"), await enrolled(stack, "second")
    application = await stack.deploy("hello", to="first", name="app")
    await first.run_module()
    await application.until(phase="Running")
    await first.close()
    await stack.device("first").until(phase="Disconnected")
    targets = {"targetDevices": {"deviceNames": ["second"]}}
    await application.wrote(await stack.api.patch(APPLICATION, "app", {"spec": targets}))
    await second.run_module()
    await application.until(phase="Running", statistics={"target": 1, "running": 1})
    again = await stack.mock_board("first", credentials=first.credentials)
    await again.beat(first.device_id, app=ApplicationState.RUNNING)
    await again.obey_stop()
    await application.until(device_statuses=lambda entries: list(entries) == ["second"], within=20)
    assert application.status.phase == "Running"


# Gateways.


@pytest.mark.requires("gateway-settings", "gateway-stop")
async def test_a_full_gateway_says_so_and_takes_the_next_when_one_leaves(stack: Stack) -> None:
    """A full gateway refuses with GATEWAY_FULL and retry-after; connected devices are not disturbed."""
    await stack.gateway.stop()
    await stack.gateway.start(sessions=1)
    first = await stack.mock_board("first")
    await first.enroll()
    second = await stack.mock_board("second")
    second.send(second.request())
    error = await second.expect(Error)
    assert error.code == ErrorCode.GATEWAY_FULL
    assert error.retry_after is not None
    assert 250 <= error.retry_after <= 60_000
    await second.until_closed()
    assert not stack.device("second").exists
    await first.beat()
    await first.close()
    await stack.device("first").until(phase="Disconnected")
    again = await stack.mock_board("second", credentials=second.credentials)
    await again.enroll()
    await stack.device("second").until(phase="Connected")


@pytest.mark.requires("gateway-stop")
async def test_a_draining_gateway_asks_each_device_to_return_later(stack: Stack) -> None:
    """A gateway that shuts down sends GATEWAY_DRAINING with retry-after and closes each link; every Device is
    Disconnected afterwards."""
    boards = [await enrolled(stack, name) for name in ("one", "two")]
    stopping = asyncio.create_task(stack.gateway.stop())
    for board in boards:
        error = await board.expect(Error)
        assert error.code == ErrorCode.GATEWAY_DRAINING
        assert error.retry_after is not None
        assert 250 <= error.retry_after <= 60_000
        await board.until_closed()
    await stopping
    for board in boards:
        await stack.device(board.name).until(phase="Disconnected")
    await stack.gateway.until(phase="Offline", connected_devices=0)
    stack.history.follows("gateway-drained")


@pytest.mark.requires("applications", "gateway-http", "gateway-kill", "several-gateways")
@pytest.mark.stack(beat=0.3)
async def test_a_device_moves_to_another_gateway_when_its_own_dies(stack: Stack) -> None:
    """A device of a killed gateway resumes at another under its id, with its application; the killed one is Offline and
    names no device."""
    other = await stack.add_gateway("gateway-2")
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    await stack.gateway.until(connected_devices=1)
    await stack.gateway.kill()
    await stack.gateway.until(phase="Offline", connected_devices=0, within=30)
    await stack.device("meter").until(phase="Disconnected", error="Connection lost")
    await application.until(phase="Unknown", health="unknown")
    moved = await stack.mock_board("meter", credentials=meter.credentials, endpoint=other.endpoint)
    await moved.beat(meter.device_id, app=ApplicationState.RUNNING)
    await stack.device("meter").until(phase="Connected", gateway="gateway-2", device_id=meter.device_id)
    await application.until(phase="Running", health="healthy", error=None, within=20)
    await application.stop()
    await moved.obey_stop()
    await application.until(phase="Stopped")
    assert len(stack.history.find("Deploy", about="app")) == 1
    stack.history.follows("gateway-failover")


@pytest.mark.requires("gateway-stop", "several-gateways")
async def test_a_device_that_is_at_one_gateway_can_move_while_that_lives(stack: Stack) -> None:
    """A device that moves to a second gateway stays Connected there when the first gateway shuts down."""
    other = await stack.add_gateway("gateway-2")
    meter = await enrolled(stack)
    await meter.close()
    there = await stack.mock_board("meter", credentials=meter.credentials, endpoint=other.endpoint)
    moved = await admitted(stack, there, other.endpoint)
    await stack.device("meter").until(phase="Connected", gateway="gateway-2")
    await stack.gateway.stop()
    await moved.beat()
    assert stack.device("meter").status.phase == "Connected"


@pytest.mark.requires("gateway-api-faults", "gateway-stop", "several-gateways")
async def test_a_loss_that_is_written_late_is_not_written_over_another_session(stack: Stack) -> None:
    """The write of the loss waits while the device enrolls at another gateway: Connected there is what stays."""
    other = await stack.add_gateway("gateway-2")
    meter = await enrolled(stack)
    with stack.api_faults.holding("patch_status", client="Gateway", kind="Device", name="meter", times=1) as held:
        await meter.close()
        await held.reached.wait()
        there = await stack.mock_board("meter", credentials=meter.credentials, endpoint=other.endpoint)
        moved = await admitted(stack, there, other.endpoint)
        await stack.device("meter").until(phase="Connected", gateway="gateway-2")
    await stack.gateway.stop()
    await moved.beat()
    assert stack.device("meter").status.phase == "Connected"


@pytest.mark.requires("gateway-kill", "gateway-stop")
async def test_a_killed_gateway_leaves_nothing_connected_that_its_successor_does_not_know(stack: Stack) -> None:
    """The successor of a killed gateway corrects the Devices before it accepts a connection."""
    meter = await enrolled(stack)
    await stack.gateway.kill()
    assert stack.device("meter").status.phase == "Connected"
    await stack.gateway.start()
    await stack.device("meter").until(phase="Disconnected", error="Connection lost")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    await stack.device("meter").until(phase="Connected")


@pytest.mark.requires("applications", "gateway-http", "gateway-stop")
async def test_a_token_that_was_replaced_is_read_again(stack: Stack) -> None:
    """The gateway starts with another token; deployments go on, and the old one opens nothing."""
    meter = await enrolled(stack)
    first = await stack.deploy("hello", to="meter", name="first")
    await meter.run_module()
    await first.until(phase="Running")
    old = await stack.gateway.token()
    await stack.gateway.stop()
    new = b64encode(b"another-token").decode()
    await stack.api.patch(SECRET, f"gateway-{stack.gateway.name}-api", {"data": {"token": new}})
    await stack.gateway.start()
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id, first=ApplicationState.RUNNING)
    second = await stack.deploy("hello", to="meter", name="second")
    await again.run_module()
    await second.until(phase="Running", within=20)
    assert (await stack.gateway.ask("GET", "/api/v1/sessions", token=old))[0] == 401


@pytest.mark.requires("applications", "gateway-http")
async def test_a_gateway_without_its_answer_is_asked_again_later(stack: Stack) -> None:
    """The Secret with its token is gone: the deployment waits, says why, and goes on when it is there again."""
    meter = await enrolled(stack)
    name = f"gateway-{stack.gateway.name}-api"
    secret = await stack.api.get(SECRET, name)
    await stack.api.delete(SECRET, name)
    application = await stack.deploy("hello", to="meter", name="app")
    await application.until(error=lambda error: error is not None and name in error)
    assert not stack.history.find("Deploy", about="app")
    kept = {key: secret[key] for key in ("apiVersion", "kind", "type", "data")}
    metadata = {"name": name, "labels": secret["metadata"]["labels"]}
    await stack.api.create(SECRET, {**kept, "metadata": metadata})
    await meter.run_module(within=60)
    await application.until(phase="Running", error=None)


@pytest.mark.requires("applications", "gateway-http", "gateway-settings", "gateway-stop")
async def test_a_gateway_that_is_full_of_work_is_asked_again_after_growing_pauses(stack: Stack) -> None:
    """While the device's queue is full the gateway refuses; the controller asks again, each time later, and it is
    served when there is a place."""
    await stack.gateway.restart(device_queue=1)
    meter = await enrolled(stack)
    applications = [await stack.deploy("hello", to="meter", name=name) for name in ("one", "two", "three")]
    first = await meter.receive_module()
    refused: list[Event] = []
    while len(refused) < 4:
        after = refused[-1] if refused else None
        name = str(refused[0].correlation) if refused else None
        refused.append(await stack.history.until("RequestRefused", about=name, after=after, code=429, within=60))
    pauses = [second.at - first.at for first, second in pairwise(refused)]
    assert [pause >= 0.12 * 2**number for number, pause in enumerate(pauses)] == [True, True, True]
    meter.send(DeploymentResult(first.application, ok=True), first.message_id)
    meter.send(ApplicationStatus(first.application, ApplicationState.RUNNING))
    for _ in range(2):
        await meter.run_module(within=60)
    for application in applications:
        await application.until(phase="Running", within=60)


# Managers.


@pytest.mark.requires("applications", "gateway-http")
async def test_a_second_manager_acts_when_the_first_has_gone(stack: Stack) -> None:
    """A second manager waits for the lease and deploys after it has it. At no time do both act."""
    meter = await enrolled(stack)
    second = stack.make_controllers("second", lease_duration=3.0)
    await second.start()
    assert not second.leading
    first = await stack.deploy("hello", to="meter", name="one")
    await meter.run_module()
    await first.until(phase="Running")
    assert stack.controllers.leading
    assert not second.leading
    await stack.controllers.stop()
    given_back = await stack.api.get(LEASE, "wasmbed-controllers")
    assert given_back["spec"]["holderIdentity"] in ("", "second")
    after = await stack.deploy("hello", to="meter", name="two")
    await meter.run_module(within=60)
    await after.until(phase="Running")
    assert second.leading
    lease = await stack.api.get(LEASE, "wasmbed-controllers")
    assert lease["spec"]["holderIdentity"] == "second"
    assert lease["spec"]["leaseTransitions"] >= 1


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.stack(heartbeat=60.0)
async def test_a_manager_that_lost_its_lease_acts_no_more(stack: Stack) -> None:
    """Another holder has the lease: the manager leaves all requests to it until the lease is free."""
    meter = await enrolled(stack)
    lease = await stack.api.get(LEASE, "wasmbed-controllers")
    spec = {**lease["spec"], "holderIdentity": "another-manager", "leaseDurationSeconds": 3600}
    await stack.api.patch(LEASE, "wasmbed-controllers", {"spec": spec})
    await stack.history.until("PUT Lease", source="ControllerManager", code=409, within=60)
    for _ in range(100):
        if stack.controllers.leading:
            await stack.clock.sleep(0.1)
    assert not stack.controllers.leading
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.beat()
    await stack.api.patch(LEASE, "wasmbed-controllers", {"spec": {"holderIdentity": ""}})
    await meter.run_module(within=60)
    await application.until(phase="Running")
