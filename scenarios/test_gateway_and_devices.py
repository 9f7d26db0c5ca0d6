"""A correct gateway: ids, units, chunks, order of its messages, and accepted reports. Mock boards drive it."""

import hashlib

import pytest

from harness.core.history import Kind
from harness.stack import MockBoard, Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.mock_board import Delivery
from harness.stack.modules import padded
from harness.wasmbed.protocol.codec import encode
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    EnrollmentResponse,
    Envelope,
    Error,
    HeartbeatAcknowledgment,
    ModuleChunk,
    Publication,
    RuntimeFault,
    Stop,
    StopResult,
)

CHUNK = 4096


async def enrolled(stack: Stack, name: str = "meter") -> MockBoard:
    """A mock board that is Connected."""
    board = await stack.mock_board(name)
    await board.enroll()
    await stack.device(name).until(phase="Connected")
    return board


async def running(stack: Stack, name: str = "app") -> tuple[MockBoard, ApplicationHandle, Delivery]:
    """A mock board, an application that runs on it, and what the board was sent."""
    board = await enrolled(stack)
    application = await stack.deploy("hello", to=board.name, name=name)
    delivery = await board.run_module()
    await application.until(phase="Running")
    return board, application, delivery


# Units and ids.


@pytest.mark.stack(heartbeat=45.0)
async def test_a_gateway_speaks_in_milliseconds(stack: Stack) -> None:
    """The heartbeat interval, its own time in acknowledgments, and the time to wait that it tells a twin."""
    meter = await stack.mock_board("meter")
    before = stack.clock.now()
    asked = meter.send(meter.request())
    response = await meter.expect(EnrollmentResponse, asked)
    assert response.heartbeat_interval == 45_000
    acknowledgment = await meter.beat(response.device_id)
    assert 1000 * before - 1 <= acknowledgment.gateway_time <= 1000 * stack.clock.now() + 1
    twin = await stack.mock_board("meter", credentials=meter.credentials)
    twin.send(twin.request())
    error = await twin.expect(Error)
    assert error.retry_after is not None
    assert 1_000 <= error.retry_after <= 45_000


async def test_every_answer_carries_its_requests_id(stack: Stack) -> None:
    """Enrollment, heartbeats that wait together, and an error, whatever ids the device chooses."""
    meter = await stack.mock_board("meter")
    meter.send(meter.request(), 0xFFFF_FFFF)
    response = await meter.expect(EnrollmentResponse, 0xFFFF_FFFF)
    meter.device_id = response.device_id
    for message_id in (7, 0, 0xFFFF_FFFE):
        meter.send(meter.heartbeat(), message_id)
    for message_id in (7, 0, 0xFFFF_FFFE):
        await meter.expect(HeartbeatAcknowledgment, message_id)
    meter.send(meter.request(), 99)
    await meter.expect(Error, 99)


@pytest.mark.requires("applications", "gateway-http")
async def test_a_gateway_uses_no_id_twice(stack: Stack) -> None:
    """The requests that it sends on one connection has ids that differ: questions, announcements, chunks, stops."""
    meter, application, _ = await running(stack)
    await application.redeploy(padded(stack.modules("hello_again"), 5 * CHUNK))
    await meter.obey_stop()
    await meter.run_module()
    await application.until(phase="Running", observed_generation=2)
    own = [
        event.data["messageId"]
        for event in stack.history.find(source="Gateway", target="Device", about="app")
        if event.name in ("Deploy", "ModuleChunk", "Stop")
    ]
    own += [event.data["messageId"] for event in stack.history.find("DeviceInfoRequest", source="Gateway")]
    assert len(own) == len(set(own)) == 1 + 1 + 1 + 1 + 5 + 1


# Modules.


@pytest.mark.requires("applications", "gateway-http")
async def test_a_module_is_cut_as_announced(stack: Stack) -> None:
    """Number, order and size of the chunks are the announcement's, none is sent twice, and the whole is the module."""
    meter = await enrolled(stack)
    module = padded(stack.modules("hello"), 5 * CHUNK + 100)
    application = await stack.deploy(module, to="meter", name="app", memory=131_072, fuel=4321, time_limit=250)
    delivery = await meter.run_module()
    deploy = delivery.deploy
    assert delivery.module == module
    assert (deploy.size, deploy.sha256) == (len(module), hashlib.sha256(module).digest())
    assert (deploy.limits.memory, deploy.limits.fuel, deploy.limits.wall_time) == (131_072, 4321, 250)
    await application.until(phase="Running")
    sent = stack.history.find("ModuleChunk", about="app")
    assert [event.data["index"] for event in sent] == list(range(6))
    assert [event.data["data"]["size"] for event in sent] == [CHUNK] * 5 + [len(module) - 5 * CHUNK]


@pytest.mark.requires("applications", "gateway-http")
async def test_no_more_than_a_window_is_under_way(stack: Stack) -> None:
    """Four chunks wait for their acknowledgment and no fifth comes; each acknowledgment lets one more out."""
    meter = await enrolled(stack)
    await stack.deploy(padded(stack.modules("hello"), 8 * CHUNK), to="meter", name="app")
    await meter.expect(Deploy)
    ids = []
    for index in range(4):
        assert (await meter.expect(ModuleChunk)).index == index
        ids.append(meter.latest)
    await meter.beat()
    await stack.recorded()
    assert len(stack.history.find("ModuleChunk", about="app")) == 4
    for index in range(4, 8):
        meter.send(ChunkAcknowledgment("app", index - 4), ids[index - 4])
        assert (await meter.expect(ModuleChunk)).index == index
        ids.append(meter.latest)
        await meter.beat()
        await stack.recorded()
        assert len(stack.history.find("ModuleChunk", about="app")) == index + 1


@pytest.mark.requires("applications", "gateway-http")
async def test_a_stop_meanwhile_takes_no_acknowledgment_from_a_transfer(stack: Stack) -> None:
    """Another application is stopped while chunks are under way: each acknowledgment of one still lets one more out."""
    meter = await enrolled(stack)
    other = await stack.deploy("idle", to="meter", name="other")
    await meter.run_module()
    await other.until(phase="Running")
    await stack.deploy(padded(stack.modules("hello"), 8 * CHUNK), to="meter", name="app")
    await meter.expect(Deploy)
    ids = []
    for _ in range(4):
        await meter.expect(ModuleChunk)
        ids.append(meter.latest)
    await other.stop()
    await meter.expect(Stop)
    for index, chunk in enumerate(ids):
        meter.send(ChunkAcknowledgment("app", index), chunk)
        assert (await meter.expect(ModuleChunk)).index == index + 4


@pytest.mark.requires("applications", "gateway-http", "gateway-settings", "gateway-stop")
async def test_what_was_not_acknowledged_is_sent_again_and_nothing_else(stack: Stack) -> None:
    """A device misses each chunk once: it gets that one again, and no silence counts for the next chunk."""
    await stack.gateway.restart(reply_timeout=1.0, chunk_window=1)
    meter = await enrolled(stack)
    application = await stack.deploy(padded(stack.modules("hello"), 3 * CHUNK), to="meter", name="app")
    await meter.expect(Deploy)
    announced = meter.latest
    for index in range(3):
        seen = 0
        while seen < 2:  # one of the last index may have been under way to a slow machine
            chunk = await meter.expect(ModuleChunk)
            assert chunk.index in (index - 1, index)
            seen += chunk.index == index
        meter.reply(ChunkAcknowledgment("app", index))
    meter.send(DeploymentResult("app", ok=True), announced)
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING))
    await application.until(phase="Running")


@pytest.mark.requires("applications", "gateway-http")
async def test_acknowledgments_in_another_order_and_twice(stack: Stack) -> None:
    """The window goes on by what was acknowledged, in any order; one that comes twice lets nothing more out."""
    meter = await enrolled(stack)
    application = await stack.deploy(padded(stack.modules("hello"), 6 * CHUNK), to="meter", name="app")
    await meter.expect(Deploy)
    announced, ids = meter.latest, []
    for _ in range(4):
        await meter.expect(ModuleChunk)
        ids.append(meter.latest)
    for _ in range(3):
        meter.send(ChunkAcknowledgment("app", 3), ids[3])
    assert (await meter.expect(ModuleChunk)).index == 4
    ids.append(meter.latest)
    await meter.beat()
    await stack.recorded()
    assert len(stack.history.find("ModuleChunk", about="app")) == 5
    meter.send(ChunkAcknowledgment("app", 1), ids[1])
    assert (await meter.expect(ModuleChunk)).index == 5
    ids.append(meter.latest)
    for index in (0, 2, 4, 5):
        meter.send(ChunkAcknowledgment("app", index), ids[index])
    meter.send(DeploymentResult("app", ok=True), announced)
    await application.until_on("meter", state="deployed")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("wrong", ["id", "application"])
async def test_a_result_for_another_exchange_is_no_result(stack: Stack, wrong: str) -> None:
    """A DeploymentResult has another message id, or names another application: the deployment continues until its own
    result comes."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    delivery = await meter.receive_module()
    if wrong == "id":
        meter.send(DeploymentResult("app", ok=True), delivery.message_id + 1000)
    else:
        meter.send(DeploymentResult("ghost", ok=True), delivery.message_id + 1000)
        assert (await meter.obey_stop()).application_id == "ghost"
    await application.until_on("meter", state="receiving")
    meter.runtime_status = "busy"
    await meter.beat()
    await stack.device("meter").until(wasm_runtime="busy")
    assert application.on("meter").state == "receiving"
    meter.send(DeploymentResult("app", ok=False, error="it does not fit", code="TOO_LARGE"), delivery.message_id)
    await application.until(phase="Failed")
    entry = application.on("meter")
    assert (entry.code, entry.error) == ("TOO_LARGE", "it does not fit")
    written = stack.history.find("PATCH Application", about="app", source="Gateway", code=200)
    assert not [event for event in written if "deployed" in str(event.data["status"])]


@pytest.mark.requires("applications", "gateway-http")
async def test_a_stop_that_another_exchange_answers_is_still_under_way(stack: Stack) -> None:
    """A StopResult with another id: the application is Stopping until the stop's own result comes."""
    meter, application, _ = await running(stack)
    await application.stop()
    await meter.expect(Stop)
    own = meter.latest
    await application.until(phase="Stopping")
    meter.send(StopResult("app", ok=True), 4711)
    await meter.beat()
    meter.send(StopResult("app", ok=True), own)
    await application.until(phase="Stopped")
    answered = await stack.history.until("StopResult", about="app", messageId=own)
    written = stack.history.find("PATCH Application", about="app", source="Gateway", code=200)
    assert answered.n < min(event.n for event in written if "stopped" in str(event.data["status"]))
    assert answered.n < await _phase(stack, "app", "Stopped")


async def test_a_frame_may_come_in_pieces(stack: Stack) -> None:
    """Cut in its header, after it, in the middle, before its last byte: the gateway reads it once it is complete."""
    meter = await enrolled(stack)
    data = frame(encode(Envelope(5000, meter.heartbeat())))
    other = await enrolled(stack, "other")
    for number, cut in enumerate((2, 4, len(data) // 2, len(data) - 1)):
        data = frame(encode(Envelope(5000 + number, meter.heartbeat())))
        meter.write(data[:cut])
        await other.beat()
        await stack.recorded()
        assert not stack.history.find("Heartbeat", about="meter", messageId=5000 + number)
        meter.write(data[cut:])
        await meter.expect(HeartbeatAcknowledgment, 5000 + number)


@pytest.mark.requires("applications", "gateway-http")
async def test_one_deployment_at_a_time_goes_to_a_device(stack: Stack) -> None:
    """The second application is announced when the first has its result, and not before."""
    meter = await enrolled(stack)
    one = await stack.deploy(padded(stack.modules("hello"), 3 * CHUNK), to="meter", name="one")
    first = await meter.receive_module()
    two = await stack.deploy("hello", to="meter", name="two")
    await stack.history.until("DeployApplication", about="two")
    await meter.beat()
    await stack.recorded()
    assert not stack.history.find("Deploy", about="two")
    meter.send(DeploymentResult("one", ok=True), first.message_id)
    meter.send(ApplicationStatus("one", ApplicationState.RUNNING))
    await meter.run_module()
    await one.until(phase="Running")
    await two.until(phase="Running")
    result = await stack.history.until("DeploymentResult", about="one")
    announced = await stack.history.until("Deploy", about="two")
    assert result.n < announced.n


@pytest.mark.requires("applications", "gateway-http")
async def test_two_devices_are_served_at_the_same_time(stack: Stack) -> None:
    """A device that answers nothing does not hold up another device."""
    slow, quick = await enrolled(stack, "slow"), await enrolled(stack, "quick")
    application = await stack.deploy(padded(stack.modules("hello"), 3 * CHUNK), to=["slow", "quick"], name="app")
    await slow.expect(Deploy)
    await quick.run_module()
    await application.until_on("quick", state="running")
    await application.until_on("slow", state="receiving")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("how", ["error-to-the-announcement", "error-to-a-chunk", "result"])
async def test_a_device_that_refuses_says_why_and_is_not_asked_again(stack: Stack, how: str) -> None:
    """Code and words reach the Application; the device stays Connected and takes the next one."""
    meter = await enrolled(stack)
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.expect(Deploy)
    announced = meter.latest
    await meter.expect(ModuleChunk)
    if how == "result":
        meter.send(DeploymentResult("app", ok=False, error="no room", code="NOT_ENOUGH_MEMORY"), announced)
    else:
        meter.send(Error("NOT_ENOUGH_MEMORY", "no room"), announced if "announcement" in how else meter.latest)
    await application.until(phase="Failed", health="unhealthy", statistics={"failed": 1})
    assert (application.on("meter").code, application.on("meter").error) == ("NOT_ENOUGH_MEMORY", "no room")
    await meter.beat()
    await stack.recorded()
    assert len(stack.history.find("Deploy", about="app")) == 1
    following = await stack.deploy("hello", to="meter", name="following")
    await meter.run_module()
    await following.until(phase="Running")


@pytest.mark.requires("applications")
async def test_what_a_device_reports_of_an_application_that_it_was_not_given(stack: Stack) -> None:
    """States, faults and publications of an application that does not exist: it gets a stop, nothing is made of
    it, and the session goes on."""
    meter = await enrolled(stack)
    meter.send(ApplicationStatus("ghost", ApplicationState.RUNNING, {}, None, [Publication("a", b"b")]))
    stop = await meter.obey_stop()
    assert stop.application_id == "ghost"
    assert not stack.application("ghost").exists
    await meter.beat()


@pytest.mark.requires("applications", "gateway-http")
async def test_metrics_and_outputs_reach_the_application(stack: Stack) -> None:
    """Of a status: metrics, publications in order, text and binary; the newest stay."""
    meter, application, _ = await running(stack)
    published = [Publication("n", str(number).encode()) for number in range(25)] + [Publication("raw", b"\xff\0")]
    meter.send(ApplicationStatus("app", ApplicationState.RUNNING, {"fuel_used": 17}, None, published))
    entry = await application.until_on("meter", output=lambda output: len(output) == 20, metrics={"fuel_used": 17})
    assert [item["payload"] for item in entry.output[:-1]] == [str(number) for number in range(6, 25)]
    assert entry.output[-1] == {"topic": "raw", "payload": "/wA=", "encoding": "base64"}


@pytest.mark.requires("device-fields")
async def test_what_a_device_tells_of_itself_is_on_record(stack: Stack) -> None:
    """The gateway asks after an enrollment; the answer is the device's deviceInfo."""
    meter = await stack.mock_board("meter")
    await meter.enroll()
    await meter.expect(DeviceInfoRequest)
    meter.reply(DeviceInfo(262_144, "hand", ("simd",), 99_000))
    device = await stack.device("meter").until(device_info=lambda information: information.get("memory"))
    said = device.status.device_info
    assert (said["memory"], said["architecture"], said["largestModule"]) == (262_144, "hand", 99_000)


# Order.


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_is_stopped_when_its_device_says_so(stack: Stack) -> None:
    """Until the device has answered it is Stopping; the answer comes before the phase."""
    meter, application, _ = await running(stack)
    await application.stop()
    stop = await meter.expect(Stop)
    await application.until(phase="Stopping")
    await meter.beat()
    assert application.status.phase == "Stopping"
    await stack.recorded()
    assert len(stack.history.find("StopApplication", about="app")) == 1
    meter.reply(StopResult(stop.application_id, ok=True))
    await application.until(phase="Stopped")
    answered = await stack.history.until("StopResult", about="app")
    assert answered.n < await _phase(stack, "app", "Stopped")
    stack.history.follows("application-stop")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_deleted_application_is_there_until_its_device_has_stopped_it(stack: Stack) -> None:
    """The finalizer holds it; the answer comes before its end."""
    meter, application, _ = await running(stack)
    await application.delete()
    await meter.expect(Stop)
    await meter.beat()
    assert application.exists
    assert application.resource.finalizers
    meter.reply(StopResult("app", ok=True))
    await application.until_gone()
    answered = await stack.history.until("StopResult", about="app")
    gone = await stack.history.until("Application", about="app", change="deleted")
    assert answered.n < gone.n
    stack.history.follows("application-stop")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_that_cannot_stop_an_application_says_so(stack: Stack) -> None:
    """StopResult with ok false: the application is not Stopped, and the reason is where people look."""
    meter, application, _ = await running(stack)
    await application.stop()
    await meter.expect(Stop)
    meter.reply(StopResult("app", ok=False, error="the pump does not stop"))
    entry = await application.until_on("meter", state="error", code="STOP_FAILED")
    assert entry.error == "the pump does not stop"


@pytest.mark.requires("controllers-api-faults")
@pytest.mark.requires("device-phases")
async def test_an_enrollment_is_answered_when_it_is_on_record(stack: Stack) -> None:
    """While the controller's word cannot be written there is no response, and no id is given away."""
    meter = await stack.mock_board("meter")
    with stack.api_faults.holding("patch_status", client="DeviceController", kind="Device") as held:
        meter.send(meter.request())
        await stack.device("meter").until(phase="Enrolling")
        await stack.history.until("PATCH Device", about="meter", source="Gateway")
        await held.reached.wait()
        assert not stack.history.find("EnrollmentResponse")
    response = await meter.expect(EnrollmentResponse)
    assert response.device_id == stack.device("meter").status.device_id
    answered = await stack.history.until("EnrollmentResponse")
    assert await _phase(stack, "meter", "Enrolled") < answered.n


async def test_nothing_is_written_of_a_device_after_its_link_has_ended(stack: Stack) -> None:
    """A device sends a heartbeat and drops the link at once: it ends Disconnected, without a heartbeat, and stays
    so."""
    meter = await enrolled(stack)
    for _ in range(20):
        meter.send(meter.heartbeat())
    await meter.drain()
    await meter.close()
    gone = {"phase": "Disconnected", "last_heartbeat": None, "connected_since": None, "health": "unknown"}
    device = await stack.device("meter").until(**gone)  # type: ignore[arg-type]
    other = await enrolled(stack, "other")
    await other.beat()
    assert {name: getattr(device.status, name) for name in gone} == gone
    assert stack.history.phases("meter")[-1] == "Disconnected"


@pytest.mark.requires("applications", "gateway-http")
async def test_a_connection_that_ends_in_a_transfer_loses_nothing(stack: Stack) -> None:
    """Half a module is there. After the device is back it gets the whole, from the first chunk on."""
    meter = await enrolled(stack)
    application = await stack.deploy(padded(stack.modules("hello"), 6 * CHUNK), to="meter", name="app")
    await meter.expect(Deploy)
    await meter.expect(ModuleChunk)
    meter.reply(ChunkAcknowledgment("app", 0))
    await meter.close()
    await stack.device("meter").until(phase="Disconnected")
    again = await stack.mock_board("meter", credentials=meter.credentials)
    await again.beat(meter.device_id)
    delivery = await again.run_module()
    assert len(delivery.module) == delivery.deploy.size
    await application.until(phase="Running", statistics={"running": 1})


@pytest.mark.requires("applications", "gateway-http")
async def test_a_fault_ends_what_ran(stack: Stack) -> None:
    """A runtime error with backtrace: Error, the words are kept, and a heartbeat that says otherwise heals nothing by
    itself but what it says."""
    meter, application, _ = await running(stack)
    meter.send(RuntimeFault("app", "TRAP", "division by zero", ("run", "main"), {"fuel_used": 9}))
    await application.until(phase="Error", health="unhealthy")
    entry = application.on("meter")
    assert (entry.code, entry.metrics) == ("TRAP", {"fuel_used": 9})
    assert "division by zero" in (entry.error or "")
    assert "main" in (entry.error or "")
    await meter.beat(app=ApplicationState.ERROR)
    assert application.status.phase == "Error"


async def _phase(stack: Stack, name: str, phase: str) -> int:
    """The number of the request by which it was moved to that phase; a real API server's answer may be on its way."""
    move = None
    while move is None or (move.data.get("status") or {}).get("phase") != phase:
        move = await stack.history.until(kind=Kind.MESSAGE, target="Kubernetes", about=name, code=200, after=move)
    return move.n
