"""Deployments and stops, from the HTTP request to the entry in the Application's status."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hashlib import sha256

import pytest
import wasmtime

from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    Error,
    ModuleChunk,
    Publication,
    RuntimeFault,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.kinds import APPLICATION
from tests.gateway.world import World

RUNNING = ApplicationState.RUNNING


def assemble(body: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {body})"))


def padded(size: int) -> bytes:
    """Return a valid module of about ``size`` bytes."""
    filling = "x" * size
    return assemble(f'(memory (export "memory") 1) (func (export "run")) (data (i32.const 0) "{filling}")')


@pytest.mark.settings(chunk_size=100)
async def test_a_module_is_sent_in_chunks_and_runs(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    module = padded(1000)
    status, body = await world.deploy(module=module, args=["a"], env={"K": "v"}, name="Blinky")
    assert (status, body) == (202, {"accepted": True})
    deploy, received = await device.accept_deployment()
    assert received == module
    assert (deploy.application_id, deploy.name, deploy.size) == ("app-1", "Blinky", len(module))
    assert (deploy.sha256, deploy.chunk_size) == (sha256(module).digest(), 100)
    assert (deploy.limits.memory, deploy.limits.fuel, deploy.limits.wall_time) == (1 << 20, 1000, 100)
    assert (deploy.entry, deploy.arguments, deploy.environment) == ("run", ("a",), {"K": "v"})
    entry = await world.state("deployed")
    assert (entry["generation"], entry["metrics"]) == (1, {"load_ms": 1})
    device.link.send(ApplicationStatus("app-1", RUNNING, {"memory_used_bytes": 65536}))
    entry = await world.state("running")
    assert entry["metrics"]["memory_used_bytes"] == 65536
    assert "error" not in entry
    assert entry["updated"]
    states = [
        (event.object.get("status") or {}).get("deviceStatuses", {}).get("dev-1", {}).get("state")
        for resource, event in world.api.log
        if resource == APPLICATION
    ]
    assert states == [None, "receiving", "deployed", "running"]
    about = [event for event in world.events if event[4] == "app-1"]
    assert about[0][:3] == ("ApplicationController", "Gateway", "DeployApplication")
    assert about[1][2] == "Deploy"
    assert {event[3]["device"] for event in about} == {"dev-1"}


@pytest.mark.settings(chunk_size=100, chunk_window=3)
async def test_at_most_a_window_of_chunks_is_unacknowledged(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy(module=padded(1000))
    await device.expect(Deploy)
    chunks = [await device.receive() for _ in range(3)]
    assert [chunk.message.index for chunk in chunks] == [0, 1, 2]
    await device.beat()
    device.link.send(ChunkAcknowledgment("app-1", 0), chunks[0].message_id)
    assert (await device.expect(ModuleChunk)).index == 3


async def test_a_module_is_validated_before_its_first_byte_is_sent(world: World) -> None:
    device = await world.connected("dev-1")
    modules = {
        "text": b"(module)",
        "import": assemble('(import "env" "abort" (func)) (memory (export "memory") 1) (func (export "run"))'),
        "memory": assemble('(memory (export "memory") 17) (func (export "run"))'),
        "exceptions": assemble('(tag $e) (memory (export "memory") 1) (func (export "run"))'),
        "segment": assemble('(memory (export "memory") 1) (data (i32.const 65535) "ab") (func (export "run"))'),
        "large": assemble(f'(import "env" "abort" (func)) (data "{"x" * 20_000}")'),
    }
    for name, module in modules.items():
        await world.make_application(name)
        assert (await world.deploy(application=name, module=module))[0] == 202
    for name, expected_text in {
        "text": "not a WebAssembly binary",
        "import": "imports env.abort, which no device offers",
        "memory": "needs 1114112 bytes of memory",
        "exceptions": "uses a proposal that devices do not have: exceptions proposal not enabled",
        "segment": "data segment 0 puts 2 bytes at 65535",
        "large": "imports env.abort",
    }.items():
        entry = await world.state("failed", application=name)
        assert (entry["code"], entry["generation"]) == ("INVALID_MODULE", 1)
        assert expected_text in entry["error"]
    await device.beat()
    assert world.named("Deploy") == []


async def test_a_refused_module_keeps_its_place_in_the_queue(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.stop()
    await world.deploy(module=b"(module)", generation=2)
    stop = await device.receive()
    device.link.send(StopResult("app-1", True), stop.message_id)
    assert (await world.state("failed"))["generation"] == 2
    await device.beat()
    assert world.entry()["state"] == "failed"


async def test_a_module_larger_than_the_device_accepts_is_refused(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1", largest_module=100)
    await world.deploy(module=padded(1000))
    entry = await world.state("failed")
    assert entry["code"] == "MODULE_TOO_LARGE"
    assert "device dev-1 accepts at most 100" in entry["error"]
    await device.beat()


async def test_a_module_is_validated_once_for_many_devices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.wasmbed.gateway import modules

    calls = []
    judge = modules.validate
    monkeypatch.setattr(modules, "validate", lambda *asked: (calls.append(asked), judge(*asked))[1])

    await world.make_application()
    devices = [await world.connected(f"dev-{n}") for n in range(5)]
    module = padded(40_000)
    answers = await asyncio.gather(*(world.deploy(f"dev-{n}", module=module) for n in range(5)))
    assert [status for status, _ in answers] == [202] * 5
    await asyncio.gather(*(device.accept_deployment() for device in devices))
    for n in range(5):
        await world.state("deployed", f"dev-{n}")
    await world.deploy("dev-0", module=module, args=["again"])
    await devices[0].accept_deployment()
    assert len(calls) == 1


async def test_what_a_device_has_is_not_sent_again(world: World) -> None:
    """The same request is answered from the gateway's own record, and the state is written again; another one is
    sent."""
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    await device.accept_deployment()
    await world.state("deployed")
    await world.api.patch_status(APPLICATION, "app-1", {"status": {"deviceStatuses": {"dev-1": {"state": None}}}})
    assert (await world.deploy())[0] == 202
    await world.state("deployed")
    await world.deploy(generation=2)
    await device.accept_deployment()


async def test_a_bounded_number_of_validation_results_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.wasmbed.gateway.modules._RESULTS", 1)

    await world.make_application()
    device = await world.connected("dev-1")
    for size in (10, 20):
        await world.deploy(module=padded(size))
        await device.accept_deployment()


async def test_an_error_after_a_refusal_is_not_the_reason(world: World) -> None:
    """The device refuses at once, and answers the chunk under way with an error, in one packet."""

    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    deploy, chunk = await device.receive(), await device.receive()
    device.link.send(
        DeploymentResult("app-1", False, "it is running already", {}, "ALREADY_DEPLOYED"), deploy.message_id
    )
    device.link.send(Error("PROTOCOL_ERROR", "a chunk of app-1, which is not being received"), chunk.message_id)
    await device.beat()
    entry = await world.state("failed")
    assert (entry["code"], entry["error"]) == ("ALREADY_DEPLOYED", "it is running already")


@pytest.mark.settings(chunk_size=100)
async def test_the_device_may_refuse(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy(module=padded(1000))
    message_id = (await device.receive()).message_id
    refusal = DeploymentResult("app-1", False, "no room", {"free_bytes": 3}, "OUT_OF_MEMORY")
    device.link.send(refusal, message_id)
    entry = await world.state("failed")
    assert (entry["code"], entry["error"], entry["metrics"]) == ("OUT_OF_MEMORY", "no room", {"free_bytes": 3})
    await world.deploy()
    _, message_id, _ = await device.take_module_after_leftovers()
    device.link.send(DeploymentResult("app-1", False), message_id)
    await world.until(lambda: world.entry().get("code") == "DEPLOYMENT_FAILED")


@pytest.mark.parametrize("at", ["deploy", "chunk"])
async def test_an_error_from_the_device_ends_the_transfer(world: World, at: str) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    deploy, chunk = await device.receive(), await device.receive()
    message_id = deploy.message_id if at == "deploy" else chunk.message_id
    device.link.send(Error("DEPLOYMENT_FAILED", "flash is worn out"), message_id)
    entry = await world.state("failed")
    assert (entry["code"], entry["error"]) == ("DEPLOYMENT_FAILED", "flash is worn out")
    device.link.send(Error("RUNTIME_ERROR", "nobody asked"))
    await device.beat()


@pytest.mark.parametrize("when", ["before", "during", "after"])
@pytest.mark.settings(chunk_size=100)
async def test_a_deployment_fails_when_its_board_dies(world: World, when: str) -> None:
    await world.make_application()
    await world.make_application("app-2")
    device = await world.connected("dev-1")
    await world.deploy(module=padded(1000))
    await world.deploy(application="app-2")
    if when == "during":
        await device.expect(Deploy)
        await device.expect(ModuleChunk)
    elif when == "after":
        await device.take_module()
    device.link.abort()
    for application in ("app-1", "app-2"):
        entry = await world.state("failed", application=application)
        assert entry["code"] == "CONNECTION_LOST"
        assert entry["generation"] == 1
    await world.phase("dev-1", "Disconnected")
    back = await world.dial(device.identity)
    await back.connect()
    await world.phase("dev-1", "Connected")
    await world.deploy()
    await back.accept_deployment()
    await world.state("deployed")


@pytest.mark.settings(reply_timeout=0.05, chunk_attempts=3)
async def test_a_silent_device_fails_its_transfer(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    await device.expect(Deploy)
    sent = [await device.receive() for _ in range(3)]
    assert [envelope.message.index for envelope in sent] == [0, 0, 0]
    entry = await world.state("failed")
    assert entry["code"] == "TRANSFER_INTERRUPTED"
    assert "did not acknowledge chunk 0 for 0.15 s" in entry["error"]
    await device.beat()


@pytest.mark.settings(reply_timeout=0.05, chunk_attempts=20)
async def test_a_chunk_that_is_acknowledged_late_is_sent_again(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    deploy = await device.receive()
    await device.expect(ModuleChunk)
    second = await device.receive()
    device.link.send(ChunkAcknowledgment("app-1", 0), second.message_id)
    device.link.send(ChunkAcknowledgment("app-1", 0), second.message_id)
    device.link.send(DeploymentResult("app-1", True), deploy.message_id)
    await world.state("deployed")


@pytest.mark.settings(reply_timeout=0.02)
async def test_a_missing_result_is_a_timeout(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    _, message_id, _ = await device.take_module()
    entry = await world.state("failed")
    assert entry["code"] == "TIMEOUT"
    assert "acknowledged the whole module and sent no result" in entry["error"]
    device.link.send(DeploymentResult("app-1", True), message_id)
    await world.state("deployed")


async def test_a_device_gets_one_deployment_at_a_time(world: World) -> None:
    for name in ("app-1", "app-2"):
        await world.make_application(name)
    device = await world.connected("dev-1")
    await world.deploy()
    await world.deploy(application="app-2")
    await world.deploy(application="app-2", module=padded(10))
    first, module = await device.accept_deployment()
    assert first.application_id == "app-1"
    second, module = await device.accept_deployment()
    assert (second.application_id, module) == ("app-2", padded(10))
    await world.state("deployed", application="app-2")
    await device.beat()


async def test_an_application_is_stopped_and_deployed_again(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    await device.accept_deployment()
    device.link.send(ApplicationStatus("app-1", RUNNING, {}, None, [Publication("t", b"old")]))
    await world.state("running")
    assert (await world.stop())[0] == 202
    assert (await world.deploy(module=padded(10), generation=2))[0] == 202
    stop = await device.receive()
    assert stop.message == Stop("app-1")
    device.link.send(StopResult("app-1", True), stop.message_id)
    _, module = await device.accept_deployment()
    assert module == padded(10)
    entry = await world.state("deployed")
    assert (entry["generation"], entry["output"]) == (2, [])
    about = [event[:3] for event in world.events if event[4] == "app-1"]
    assert ("ApplicationController", "Gateway", "StopApplication") in about


async def test_a_stop_overtakes_a_deployment_that_has_not_begun(world: World) -> None:
    for name in ("app-1", "app-2"):
        await world.make_application(name)
    device = await world.connected("dev-1")
    await world.deploy()
    await world.deploy(application="app-2")
    await world.stop(application="app-2")
    await device.accept_deployment()
    stop = await device.receive()
    assert stop.message == Stop("app-2")
    device.link.send(StopResult("app-2", True), stop.message_id)
    await world.state("stopped", application="app-2")


@pytest.mark.settings(chunk_window=2, chunk_size=1000)
async def test_a_stop_of_another_application_takes_no_acknowledgment_from_a_transfer(world: World) -> None:
    """The next chunk follows at once, and none is sent again."""
    for name in ("app-1", "app-2"):
        await world.make_application(name)
    device = await world.connected("dev-1")
    await world.deploy(module=padded(2500))
    await device.receive()
    chunks = [await device.receive(), await device.receive()]
    await world.stop(application="app-2")
    stop = await device.receive()
    assert stop.message == Stop("app-2")
    for index, chunk in enumerate(chunks):
        device.link.send(ChunkAcknowledgment("app-1", index), chunk.message_id)
    third = (await device.receive()).message
    assert isinstance(third, ModuleChunk)
    assert third.index == 2


@pytest.mark.settings(chunk_window=2, chunk_size=1000)
async def test_an_acknowledgment_of_a_cancelled_transfer_counts_for_no_other(world: World) -> None:
    for name in ("app-1", "app-2"):
        await world.make_application(name)
    device = await world.connected("dev-1")
    await world.deploy(module=padded(3500))
    await device.receive()
    old = [await device.receive(), await device.receive()]
    await world.stop()
    await world.deploy(application="app-2", module=padded(3500))
    assert (await device.receive()).message == Stop("app-1")
    await device.receive()
    new = [await device.receive(), await device.receive()]
    for index, chunk in enumerate(old):
        device.link.send(ChunkAcknowledgment("app-1", index), chunk.message_id)
    await device.beat()  # and nothing comes before the answer
    device.link.send(ChunkAcknowledgment("app-2", 0), new[0].message_id)
    third = (await device.receive()).message
    assert isinstance(third, ModuleChunk)
    assert third.index == 2


@pytest.mark.settings(reply_timeout=0.1)
async def test_a_failed_stop_is_reported(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.stop()
    stop = await device.receive()
    device.link.send(StopResult("app-1", False, "it will not"), stop.message_id)
    entry = await world.state("error")
    assert (entry["code"], entry["error"]) == ("STOP_FAILED", "it will not")
    await world.stop()
    stop = await device.receive()
    device.link.send(Error("RUNTIME_ERROR", "busy"), stop.message_id)
    await world.until(lambda: world.entry()["code"] == "RUNTIME_ERROR")
    await world.stop()
    await device.receive()
    await world.until(lambda: world.entry()["code"] == "TIMEOUT")
    await world.stop()
    await device.receive()
    device.link.abort()
    await world.until(lambda: world.entry()["code"] == "CONNECTION_LOST")


async def test_a_fault_at_run_time_is_recorded_with_its_backtrace(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    await device.accept_deployment()
    device.link.send(RuntimeFault("app-1", "OUT_OF_FUEL", "fuel is used up", ["run", "main"], {"fuel_used": 1000}))
    entry = await world.state("error")
    assert (entry["code"], entry["metrics"]["fuel_used"]) == ("OUT_OF_FUEL", 1000)
    assert entry["error"].split() == ["fuel", "is", "used", "up", "run", "main"]


@pytest.mark.settings(status_interval=0.1)
async def test_publications_of_a_module_are_kept(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    first = [Publication("temperature", b"21.5"), Publication("raw", b"\xff\x00")]
    device.link.send(ApplicationStatus("app-1", RUNNING, {}, None, first))
    entry = await world.state("running")
    assert entry["output"] == [
        {"topic": "temperature", "payload": "21.5", "encoding": "text"},
        {"topic": "raw", "payload": b64encode(b"\xff\x00").decode(), "encoding": "base64"},
    ]
    writes = len([request for request in world.api.requests if request[1] == "Application"])
    for n in range(30):
        device.link.send(ApplicationStatus("app-1", RUNNING, {"n": n}, None, [Publication("n", str(n).encode())]))
    await device.beat()
    await world.until(lambda: world.entry()["metrics"] == {"n": 29})
    assert [output["payload"] for output in world.entry()["output"]] == [str(n) for n in range(10, 30)]
    assert len([request for request in world.api.requests if request[1] == "Application"]) == writes + 1


async def test_heartbeats_report_other_running_applications(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await device.beat(applications={"app-1": RUNNING})
    await world.state("running")
    await device.beat(applications={"app-1": ApplicationState.ERROR})
    await world.state("error")
    await device.beat(applications={"app-1": RUNNING})
    await world.state("running")
    await world.deploy()
    await device.expect(Deploy)
    await device.beat_between_chunks(applications={"app-1": ApplicationState.STOPPED})
    await world.state("receiving")


@pytest.mark.parametrize("name", ["../secrets/x", "App", "a" * 254, "a..b"])
async def test_an_invalid_application_name_is_a_protocol_error(world: World, name: str) -> None:
    device = await world.connected("dev-1")
    if len(name) > 253:
        with pytest.raises(ValueError, match="253"):
            device.link.send(ApplicationStatus(name, RUNNING))
        return
    error = await device.refused(ApplicationStatus(name, RUNNING))
    assert error.code == "PROTOCOL_ERROR"
    await device.closed()
    assert not [request for request in world.api.requests if request[1] == "Application"]


@pytest.mark.settings(device_applications=3)
async def test_a_device_may_report_on_a_bounded_number_of_applications(world: World) -> None:
    device = await world.connected("dev-1")
    for n in range(3):
        device.link.send(ApplicationStatus(f"app-{n}", RUNNING))
    assert "more than 3 applications" in (await device.refused(ApplicationStatus("app-3", RUNNING))).message
    await device.closed()


@pytest.mark.settings(frame_limit=8192)
async def test_arguments_too_long_for_a_frame_fail_the_deployment(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy(args=["x" * 9000])
    entry = await world.state("failed")
    assert entry["code"] == "DEPLOYMENT_FAILED"
    assert "cannot be sent" in entry["error"]
    await device.beat()


async def test_a_gateway_that_is_killed_in_a_transfer_leaves_no_task(world: World) -> None:
    await world.make_application()
    device = await world.connected("dev-1")
    await world.deploy()
    await device.expect(Deploy)
    await world.gateway.kill()
    assert world.entry()["state"] == "receiving"
