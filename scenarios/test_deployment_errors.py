"""Modules that cannot run, and modules that break: found out as early as can be, reported where the user looks."""

import json

import pytest

from harness.core.errors import ProductFailure
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.modules import padded
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, EVENT

pytestmark = pytest.mark.requires("wasm")


async def deployed(stack: Stack, module: bytes | str, **limits: int) -> tuple[ApplicationHandle, str]:
    """``module`` on its way to one connected device, and the device's name."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    return await stack.deploy(module, to=board, name="app", **limits), device.name  # type: ignore[arg-type]


async def assert_never_sent(stack: Stack, application: ApplicationHandle, reason: str) -> None:
    """The application Failed for ``reason``, and not a byte of it has left the gateway."""
    await application.until(phase="Failed", health="unhealthy")
    assert not stack.history.find("Deploy", source="Gateway")
    assert application.status.error is not None
    assert reason in application.status.error
    assert application.status.statistics.running == 0


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize(
    ("module", "reason"),
    [(b"\x7fELF not a module at all", "not a WebAssembly"), (b"\0asm\1\0\0\0\1\xff\xff", "malformed")],
    ids=["not-wasm", "broken"],
)
async def test_a_bad_module_is_refused(stack: Stack, module: bytes, reason: str) -> None:
    """A module that is not WebAssembly is never sent."""
    application, _ = await deployed(stack, module)
    await assert_never_sent(stack, application, reason)
    stack.history.follows("deployment-failure")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_module_with_a_missing_import_is_refused(stack: Stack) -> None:
    """A function that no device offers: the message names it."""
    application, _ = await deployed(stack, "missing_import")
    await assert_never_sent(stack, application, "wasmbed.fly")
    stack.history.follows("deployment-failure")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_module_that_needs_too_much_memory_is_refused(stack: Stack) -> None:
    """More memory from the start than the limit allows."""
    application, _ = await deployed(stack, "hungry")
    await assert_never_sent(stack, application, "memory")
    stack.history.follows("deployment-failure")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_module_without_its_entry_is_refused(stack: Stack) -> None:
    """The entry that the application names must be there."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    application = await stack.deploy("hello", to=board, entry="start")
    await assert_never_sent(stack, application, "'start'")
    stack.history.follows("deployment-failure")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize(
    ("module", "limits", "code"),
    [
        ("endless", {"fuel": 100_000}, "OUT_OF_FUEL"),
        ("trap", {}, "TRAP"),
        ("stray_pointer", {}, "TRAP"),
        ("greedy", {"memory": 262_144}, "MEMORY_LIMIT"),
    ],
)
async def test_a_module_that_breaks_is_reported(stack: Stack, module: str, limits: dict[str, int], code: str) -> None:
    """The device ends it, says why, and stays Connected; the application is in Error."""
    application, device = await deployed(stack, module, **limits)
    await application.until(phase="Error", health="unhealthy")
    entry = await application.until_on(device, state="error", code=code)
    assert entry.error
    fault = await stack.history.until("RuntimeFault", about="app", source="Device", device=device)
    assert fault.data["code"] == code
    assert fault.data["backtrace"], "the function in which it broke"
    assert stack.device(device).status.phase == "Connected"
    stack.history.follows("runtime-error")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_that_is_asked_about_a_failure_says_the_same_again(stack: Stack) -> None:
    """The status that it is asked for has the words of its report."""
    application, device = await deployed(stack, "trap")
    fault = await stack.history.until("RuntimeFault", about="app", source="Device", device=device)
    await application.until(phase="Error")
    _, text = await stack.gateway.ask("GET", f"/api/v1/applications/app/devices/{device}")
    said = json.loads(text)
    assert said["state"] == "error"
    assert fault.data["message"] in said["error"]


@pytest.mark.requires("applications", "gateway-http")
async def test_the_owner_reads_of_a_failure_in_the_events_of_the_application(stack: Stack) -> None:
    """``kubectl describe`` shows which device failed, and why."""
    application, device = await deployed(stack, "trap")
    about = f"involvedObject.kind=Application,involvedObject.name={application.name}"
    events = Informer(stack.api, EVENT, stack.clock, stack.randomness, field_selector=about)
    await events.start()
    try:
        await events.wait_until(lambda: {"Faulted", "Error"} <= _by_reason(events).keys(), within=10)
    finally:
        await events.stop()
    told = _by_reason(events)
    fault = told["Faulted"]
    assert (fault["type"], fault["related"]["name"]) == ("Warning", device)
    assert fault["message"].startswith(f"{device}: TRAP: ")
    assert told["Deploying"]["type"] == "Normal"


def _by_reason(events: Informer) -> dict[str, Object]:
    return {event["reason"]: event for event in events.objects.values()}


@pytest.mark.requires("applications", "gateway-http")
async def test_an_endless_loop_is_cut_by_time(stack: Stack) -> None:
    """With fuel for ever, the wall clock ends it."""
    application, device = await deployed(stack, "endless", fuel=1 << 50, time_limit=300)
    await application.until_on(device, state="error", code="TIME_LIMIT")
    await application.until(phase="Error")
    stack.history.follows("runtime-error")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_broken_application_does_not_take_its_device_along(stack: Stack) -> None:
    """After a trap the same device runs the next application."""
    application, device = await deployed(stack, "trap")
    await application.until(phase="Error")
    healthy = await stack.deploy("hello", to=device)
    await healthy.until(phase="Running")
    assert stack.history.phases(device).count("Connected") == 1
    stack.history.follows("runtime-error", only=[application.name])
    stack.history.follows("application-deployment", only=[healthy.name])


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_is_mended_by_a_new_module(stack: Stack) -> None:
    """Error and Failed are not the end: a module that works runs."""
    application, _ = await deployed(stack, "trap")
    await application.until(phase="Error")
    await application.redeploy(stack.modules("hello"))
    await application.until(phase="Running", error=None)
    stack.history.follows("device-enrollment")


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_that_breaks_is_restarted_and_given_up(stack: Stack) -> None:
    """A policy deploys it again, as often as it says; then it is in Error."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    config = {"autoRestart": True, "maxRestarts": 1}
    module = stack.modules("trap")
    manifest = manifests.application("app", module=module, device_names=[device.name], config=config)
    await stack.api.create(APPLICATION, manifest)
    application = await stack.application("app").until(phase="Error", restart_count=1, within=30)
    assert "gave up after 1 of 1 restarts" in (application.status.error or "")
    assert len(stack.history.find("RuntimeFault", about="app", source="Device")) == 2
    assert stack.history.phases(device.name).count("Connected") == 1


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_for_a_device_that_is_not_there_waits(stack: Stack) -> None:
    """A deployment is not lost: it happens when its device comes."""
    application = await stack.deploy("hello", to="late-1")
    with pytest.raises(ProductFailure, match="did not reach phase=Running"):
        await application.until(phase="Running", within=0.5)
    await stack.boards.power_on(name="late-1")
    await application.until(phase="Running", within=20)
    stack.history.follows("device-enrollment")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_board_that_dies_in_the_middle_of_a_transfer(stack: Stack) -> None:
    """The transfer is cut; with power again the device gets the whole module."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    heavy = padded(stack.modules("hello"), min(100_000, device.spec.largest_module or 65_536))
    application = await stack.deploy(heavy, to=board, name="heavy")
    await stack.history.until("ChunkAcknowledgment", about="heavy", source="Device")
    await board.cut_power()
    await device.until(phase="Disconnected", within=15)
    assert not stack.history.find("DeploymentResult", about="heavy")
    await board.power_on()
    await application.until(phase="Running", within=90)
    stack.history.follows("device-connection")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
@pytest.mark.stack(heartbeat=0.5)
async def test_heartbeats_tell_of_a_fault_and_count_no_failed_application_as_running(stack: Stack) -> None:
    """After a fault the device is degraded, names the application with its state, and counts what runs beside it."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    sound = await stack.deploy("idle", to=board, name="sound")
    await sound.until(phase="Running", within=30)
    broken = await stack.deploy("trap", to=board, name="broken")
    await broken.until(phase="Error", within=30)
    wanted = {"sound": "running", "broken": "error"}
    beat = await stack.history.until("Heartbeat", about=board.name, applications=wanted, within=30)
    assert beat.data["metrics"].get("applications_running") == 1
    assert beat.data["status"] == "degraded"


@pytest.mark.requires("applications", "gateway-http")
async def test_the_display_name_reaches_the_device(stack: Stack) -> None:
    """An Application may have a name for people: the device gets it."""
    meter = await stack.mock_board("meter")
    await meter.enroll()
    await stack.device("meter").until(phase="Connected")
    manifest = manifests.application("app", module=stack.modules("hello"), device_names=["meter"])
    manifest["spec"]["name"] = "Blinky One"
    await stack.api.create(APPLICATION, manifest)
    assert (await meter.run_module()).deploy.name == "Blinky One"
    await stack.application("app").until(phase="Running")
