"""Boards and modules that a careful gateway would not have sent: the board looks last, and says what is wrong."""

from typing import Any

import cbor2
import pytest

from harness.stack import MockGateway, Stack
from harness.stack.mock_gateway import BoardConnection
from harness.stack.modules import assemble
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ApplicationStatusRequest,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    EnrollmentResponse,
    Error,
    Heartbeat,
    HeartbeatAcknowledgment,
    Limits,
    Message,
    ModuleChunk,
    RuntimeFault,
    Stop,
    StopResult,
)

pytestmark = pytest.mark.requires("wasm")

BEAT = 0.5
"""Seconds between two heartbeats where a test waits for some."""
DEVICE_ID = "4b9f2a52-9c3f-4a52-8a57-2f1b8f6f1a11"
PAGE = 65_536
RUN = '(func (export "run"))'
MEMORY = '(memory (export "memory") 1)'
SMALL = Limits(memory=PAGE, fuel=100_000, wall_time=2_000)


async def enrolled(stack: Stack) -> tuple[MockGateway, BoardConnection]:
    """A mock gateway and the connection of an enrolled board."""
    gateway = await stack.mock_gateway()
    await stack.boards.power_on()
    connection = await gateway.accept()
    await connection.enroll(DEVICE_ID)
    return gateway, connection


@pytest.mark.requires("applications")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'(module (import "wasmbed" "publish" (func (param i32))) {MEMORY} {RUN})', id="fewer-parameters"),
        pytest.param(
            f'(module (import "wasmbed" "publish" (func (param i32 i32 i32 i32))) {MEMORY} {RUN})', id="no-result"
        ),
        pytest.param(
            f'(module (import "wasmbed" "publish" (func (param i32 i32 i32 i64) (result i32))) {MEMORY} {RUN})',
            id="another-type",
        ),
        pytest.param(f'(module (import "wasmbed" "no_such" (func)) {MEMORY} {RUN})', id="unknown-import"),
        pytest.param(f'(module (import "env" "publish" (func)) {MEMORY} {RUN})', id="unknown-module"),
        pytest.param(f'(module {MEMORY} (func (export "walk")))', id="no-entry"),
        pytest.param(f'(module {MEMORY} (func (export "run") (param i32)))', id="entry-with-a-parameter"),
        pytest.param(f'(module (memory (export "memory") 2) {RUN})', id="more-memory-than-the-limit"),
    ],
)
async def test_a_board_does_not_load_what_it_cannot_run(stack: Stack, text: str) -> None:
    """Imports, entry and memory are the board's to check as well. It says INVALID_MODULE and takes the next module."""
    _, connection = await enrolled(stack)
    result = await connection.deploy("bad", assemble(text), limits=SMALL)
    assert (result.ok, result.code) == (False, "INVALID_MODULE")
    good = await connection.deploy("good", assemble(f"(module {MEMORY} {RUN})"), limits=SMALL)
    assert (good.ok, good.error) == (True, None)


@pytest.mark.requires("applications")
@pytest.mark.parametrize("content", [b"not a module", b"\0asm\x01\0\0\0\xff"], ids=["text", "a-broken-section"])
async def test_a_board_does_not_load_what_is_not_a_module(stack: Stack, content: bytes) -> None:
    """Bytes that arrive as announced and are not WebAssembly."""
    _, connection = await enrolled(stack)
    result = await connection.deploy("bad", content, limits=SMALL)
    assert (result.ok, result.code) == (False, "INVALID_MODULE")


@pytest.mark.parametrize("left_out", [0, 1, 2])
async def test_a_chunk_that_is_left_out_is_missed_at_once(stack: Stack, left_out: int) -> None:
    """Whichever of several equal chunks does not come: the next one is refused, and the board says which was due."""
    _, connection = await enrolled(stack)
    module, size = stack.modules("hello"), 16
    announced = connection.announce("hello", module, chunk_size=size)
    for index in range(left_out + 2):
        if index != left_out:
            connection.send(ModuleChunk("hello", index, module[index * size : (index + 1) * size]))
    envelope = await connection.receive()
    while not isinstance(envelope.message, DeploymentResult):
        envelope = await connection.receive()
    assert (envelope.message_id, envelope.message.ok) == (announced, False)
    assert envelope.message.code == "BAD_CHUNK"
    assert str(left_out) in (envelope.message.error or "")


@pytest.mark.requires("applications")
async def test_a_board_reports_the_memory_that_a_module_has(stack: Stack) -> None:
    """memory_bytes is the size of its linear memory, before it grows and afterwards."""
    _, connection = await enrolled(stack)
    grows = '(func (export "run") (drop (memory.grow (i32.const 2))))'
    limits = Limits(memory=3 * PAGE, fuel=100_000, wall_time=2_000)
    for application, body, memory in (("still", RUN, PAGE), ("grows", grows, 3 * PAGE)):
        assert (await connection.deploy(application, assemble(f"(module {MEMORY} {body})"), limits=limits)).ok
        status = await connection.expect(ApplicationStatus)
        while status.metrics.get("wall_time_ms") is None or status.application_id != application:
            status = await connection.expect(ApplicationStatus, connection.send(ApplicationStatusRequest(application)))
        assert status.metrics["memory_bytes"] == memory


@pytest.mark.requires("applications")
async def test_fuel_is_used_and_ends(stack: Stack) -> None:
    """More turns of a loop use more fuel, the same turns the same; a loop without end has a fault, within its limit."""
    _, connection = await enrolled(stack)
    used = {}
    for application, turns in (("few", 10), ("same", 10), ("many", 1000)):
        body = (
            f'(func (export "run") (local $n i32) (local.set $n (i32.const {turns})) (loop $again'
            " (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"
        )
        assert (await connection.deploy(application, assemble(f"(module {MEMORY} {body})"), limits=SMALL)).ok
        status = await connection.expect(ApplicationStatus)
        assert status.state == ApplicationState.RUNNING
        used[application] = status.metrics.get("fuel_used", 0)
    if used["few"]:
        assert used["few"] == used["same"] < used["many"] <= SMALL.fuel
    endless = '(func (export "run") (loop $again (br $again)))'
    limits = Limits(memory=PAGE, fuel=5_000, wall_time=60_000)
    assert (await connection.deploy("endless", assemble(f"(module {MEMORY} {endless})"), limits=limits)).ok
    message = (await connection.receive()).message
    while not isinstance(message, RuntimeFault):
        message = (await connection.receive()).message
    assert (message.application_id, message.code) == ("endless", "OUT_OF_FUEL")
    assert 0 <= message.resource_use.get("fuel_used", 0) <= limits.fuel


@pytest.mark.requires("applications")
async def test_a_stop_in_the_middle_of_a_transfer_answers_both(stack: Stack) -> None:
    """The deployment is answered with CANCELLED under its own id, the stop under its own, and the next module loads."""
    _, connection = await enrolled(stack)
    module = stack.modules("hello")
    half = len(module) // 2 + 1
    announced = connection.announce("hello", module, chunk_size=half)
    await connection.expect(ChunkAcknowledgment, connection.send(ModuleChunk("hello", 0, module[:half])))
    stopped = connection.send(Stop("hello"))
    answers = {}
    for _ in range(2):
        envelope = await connection.receive()
        answers[envelope.message_id] = envelope.message
    result, stop = answers[announced], answers[stopped]
    assert isinstance(result, DeploymentResult)
    assert (result.ok, result.code) == (False, "CANCELLED")
    assert isinstance(stop, StopResult)
    assert stop.ok
    assert (await connection.deploy("hello", module)).ok


@pytest.mark.parametrize("payload", [{}, {0: "x"}, {7: {1: b"\0"}}], ids=["empty", "a-field", "nested"])
async def test_a_message_that_a_board_does_not_know_is_answered(stack: Stack, payload: dict[int, Any]) -> None:
    """A newer gateway's message: an error with its id, and the session goes on."""
    _, connection = await enrolled(stack)
    connection.write(frame(cbor2.dumps([1, 4242, [99, payload]], canonical=True)))
    error = await connection.expect(Error, 4242)
    assert error.code == "PROTOCOL_ERROR"
    await connection.expect(DeviceInfo, connection.send(DeviceInfoRequest()))


@pytest.mark.requires("applications")
async def test_a_board_beats_on_whatever_it_is_told(stack: Stack) -> None:
    """Each message of a gateway, and each that it should not send, is followed by a second heartbeat."""
    gateway = await stack.mock_gateway()
    await stack.boards.power_on()
    connection = await gateway.accept()
    await connection.enroll(DEVICE_ID, interval=BEAT)
    module, half = stack.modules("hello"), len(stack.modules("hello")) // 2 + 1
    said: list[tuple[Message, type[Message] | None]] = [
        (DeviceInfoRequest(), DeviceInfo),
        (ApplicationStatusRequest("unknown"), ApplicationStatus),
        (Stop("unknown"), StopResult),
        (ModuleChunk("unknown", 0, b"x"), Error),
        (EnrollmentResponse(DEVICE_ID, "again", "127.0.0.1:1", 3_600_000), Error),
        (HeartbeatAcknowledgment(0), None),
        (Error("PROTOCOL_ERROR", "that was wrong"), None),
        (Error("REPLAYED_MESSAGE", "that was said before"), None),
        (Deploy("large", "large", 1 << 30, bytes(32), 4096, SMALL, "run"), DeploymentResult),
        (Deploy("app", "app", len(module), bytes(32), half, SMALL, "run"), None),
        (ModuleChunk("app", 0, module[:half]), ChunkAcknowledgment),
        (Stop("app"), DeploymentResult),
    ]
    for message, answer in said:
        sent = connection.send(message)
        if answer is not None:
            await connection.expect(answer)
        if answer is DeploymentResult and isinstance(message, Stop):
            await connection.expect(StopResult, sent)
        for _ in range(2):
            await connection.expect(Heartbeat)
    assert (await connection.deploy("trap", stack.modules("trap"))).ok
    await connection.expect(RuntimeFault)
    for _ in range(2):
        await connection.expect(Heartbeat)


@pytest.mark.requires("applications", "gateway-http", "several-applications")
@pytest.mark.stack(heartbeat=1.0)
async def test_a_board_beats_on_through_all_that_happens_to_it(stack: Stack) -> None:
    """Deployed, asked, changed, joined, stopped, broken, deleted: two heartbeats follow each."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=board, name="app")
    await application.until(phase="Running")
    await _beats(stack, device.name)
    await stack.gateway.ask("GET", f"/api/v1/applications/app/devices/{device.name}")
    await _beats(stack, device.name)
    await application.redeploy(stack.modules("hello_again"))
    await application.until(phase="Running", observed_generation=2)
    await _beats(stack, device.name)
    other = await stack.deploy("idle", to=board, name="other")
    await other.until(phase="Running")
    await _beats(stack, device.name)
    await application.stop()
    await application.until(phase="Stopped")
    await _beats(stack, device.name)
    broken = await stack.deploy("trap", to=board, name="broken")
    await broken.until(phase="Error")
    await _beats(stack, device.name)
    await broken.delete()
    await broken.until_gone()
    await _beats(stack, device.name)
    assert not stack.history.find("ConnectionClosed", about=device.name, source="Device")


async def _beats(stack: Stack, device: str) -> None:
    """Wait for two heartbeats from now on."""
    last = stack.history[-1]
    for _ in range(2):
        last = await stack.history.until("Heartbeat", about=device, after=last)


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_a_board_without_power_runs_nothing(stack: Stack) -> None:
    """A module that ticks ends with the power: nothing of it is left, and the board that is switched on again gets it
    anew."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    application = await stack.deploy("blink", to=board)
    await application.until(phase="Running", within=30)
    await board.cut_power()
    await stack.device(board).until(phase="Disconnected", within=30)
    await board.power_on()
    await application.until(phase="Running", statistics={"running": 1}, within=30)
