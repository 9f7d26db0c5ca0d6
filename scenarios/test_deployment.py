"""Applications that do what they should: deployed, run, watched, stopped, replaced."""

import json
from hashlib import sha256

import pytest

from harness.stack import Stack
from harness.stack.modules import padded

pytestmark = pytest.mark.requires("wasm")


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_is_deployed_and_runs(stack: Stack) -> None:
    """A module reaches the device in chunks, runs, and what it published can be read in Kubernetes."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("hello", to=board)
    await application.until(phase="Running", health="healthy", deployment_progress=100)

    status = application.status
    assert (status.statistics.target, status.statistics.running, status.statistics.failed) == (1, 1, 0)
    assert list(status.deployed_devices) == [device.name]
    await application.until_on(device.name, state="running", output=len)
    assert application.output(device.name) == [("greeting", "hello from a module")]
    await board.console.until("hello from a module")
    phases = stack.history.phases(application.name)
    assert phases == ["Pending", "Creating", "Deploying", "Deployed", "Running"]
    stack.history.follows("application-deployment")
    stack.history.follows("execution-on-device")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_board_says_in_order_what_happens_to_it(stack: Stack) -> None:
    """Expectations on its console follow each other: it enrolls, then runs one thing, then another."""
    board = await stack.boards.power_on()
    await board.expect("enrolled", within=10)
    await stack.device(board).until(phase="Connected")
    for name in ("first", "second"):
        application = await stack.deploy("hello", to=board, name=name)
        await application.until(phase="Running")
        match = await board.expect(r"(?P<greeting>hello) from (\w+) module")
        assert (match["greeting"], match[2]) == ("hello", "a")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_deployment_goes_step_by_step(stack: Stack) -> None:
    """Resource, request to the gateway, announcement, chunks with acknowledgments, result, status: in order."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    module = stack.modules("hello")
    application = await stack.deploy(module, to=board, name="hello")
    await application.until(phase="Running")

    history, about = stack.history, "hello"
    step = await history.until("POST Application", about=about, source="User", code=201)
    step = await history.until(
        "DeployApplication", about=about, source="ApplicationController", device=device.name, after=step
    )
    step = await history.until("Deploy", about=about, source="Gateway", device=device.name, after=step)
    assert step.data["size"] == len(module)
    assert step.data["sha256"] == sha256(module).hexdigest()
    step = await history.until("ModuleChunk", about=about, source="Gateway", index=0, after=step)
    step = await history.until("ChunkAcknowledgment", about=about, source="Device", index=0, after=step)
    step = await history.until("DeploymentResult", about=about, source="Device", ok=True, after=step)
    await history.until("ApplicationStatus", about=about, source="Device", state="running", after=step)
    stack.history.follows("application-deployment")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_module_that_ticks_reads_its_sensor(stack: Stack) -> None:
    """Three readings, one a tick, the same on every board without a sensor."""
    board = await stack.boards.power_on()
    name = (await stack.device(board).until(phase="Connected")).name
    application = await stack.deploy("thermometer", to=board)
    await application.until_on(name, within=20, output=lambda output: len(output) == 3)
    readings = [int(payload, 16) for _, payload in application.output(name)]
    assert readings == [19_500, 19_537, 19_574]
    await application.until(phase="Running")
    stack.history.follows("application-monitoring")


@pytest.mark.requires("applications", "gateway-http")
async def test_arguments_and_environment_reach_the_module(stack: Stack) -> None:
    """``config.args`` and ``config.env`` are what the module reads."""
    board = await stack.boards.power_on()
    name = (await stack.device(board).until(phase="Connected")).name
    application = await stack.deploy("echo", to=board, args=["first"], env={"SITE": "roof"})
    await application.until_on(name, output=lambda output: len(output) == 2)
    assert application.output(name) == [("argument", "first"), ("SITE", "roof")]
    stack.history.follows("execution-on-device")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_large_module_arrives_whole(stack: Stack) -> None:
    """A module of many chunks goes over, every one acknowledged, and the hash is right."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    name, room = device.name, device.spec.largest_module or 65_536
    module = padded(stack.modules("hello"), min(100_000, room))
    application = await stack.deploy(module, to=board, name="heavy")
    await application.until(phase="Running", within=60)
    chunks = stack.history.find("ModuleChunk", about="heavy", device=name)
    acknowledged = stack.history.find("ChunkAcknowledgment", about="heavy", device=name)
    assert len(chunks) > 1
    assert [event.data["index"] for event in acknowledged] == [event.data["index"] for event in chunks]
    stack.history.follows("application-deployment")


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_is_stopped_and_started_again(stack: Stack) -> None:
    """``spec.stopped`` stops it on its devices, and back; the resource stays."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("hello", to=board)
    await application.until(phase="Running")
    await application.stop()
    await application.until(phase="Stopped", statistics={"running": 0})
    await application.until_on(device.name, state="stopped")
    await stack.history.until("StopResult", about=application.name, source="Device", ok=True)

    await application.start()
    await application.until(phase="Running", statistics={"running": 1})
    assert device.status.phase == "Connected"
    stack.history.follows("application-stop")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_deleted_application_is_stopped_first(stack: Stack) -> None:
    """The resource goes when its devices have stopped it, not before."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    application = await stack.deploy("hello", to=board)
    await application.until(phase="Running")
    await application.delete()
    await application.until_gone()
    stopped = await stack.history.until("StopResult", about=application.name, source="Device", ok=True)
    gone = await stack.history.until("Application", about=application.name, change="deleted")
    assert stopped.n < gone.n
    stack.history.follows("application-stop")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("several-applications")
@pytest.mark.stack(heartbeat=0.3)
async def test_an_application_deleted_while_its_device_was_away_is_stopped_when_it_returns(stack: Stack) -> None:
    """The resource does not wait for a disconnected device. When the device returns, it lists its applications, and the
    gateway stops the deleted one, once; the other one continues."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    gone = await stack.deploy("idle", to=board, name="gone")
    kept = await stack.deploy("hello", to=board, name="kept")
    await gone.until(phase="Running")
    await kept.until(phase="Running")
    await board.cut_link()
    await device.until(phase="Disconnected")
    await gone.delete()
    await gone.until_gone()
    away = await stack.history.until("Application", about="gone", change="deleted")

    await board.restore_link()
    named = await stack.history.until("Heartbeat", about=device.name, source="Device", after=away, within=20)
    assert set(named.data["applications"]) == {"gone", "kept"}
    stop = await stack.history.until("Stop", about="gone", source="Gateway", device=device.name, after=named)
    stopped = await stack.history.until("StopResult", about="gone", source="Device", ok=True, after=stop)
    beat = await stack.history.until("Heartbeat", about=device.name, source="Device", after=stopped)
    beat = await stack.history.until("Heartbeat", about=device.name, source="Device", after=beat)
    assert set(beat.data["applications"]) == {"kept"}
    assert len(stack.history.find("Stop", about="gone")) == 1
    await kept.until_on(device.name, state="running")
    assert not stack.history.find("Stop", about="kept")
    stack.history.follows("device-connection")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_changed_module_is_redeployed(stack: Stack) -> None:
    """The old module is stopped, the new one runs, and its output is the new one's."""
    board = await stack.boards.power_on()
    name = (await stack.device(board).until(phase="Connected")).name
    application = await stack.deploy("hello", to=board)
    await application.until(phase="Running")
    first = await stack.history.until("DeploymentResult", about=application.name, ok=True)

    await application.redeploy(stack.modules("hello_again"))
    await application.until(phase="Running", observed_generation=2)
    await stack.history.until("Stop", about=application.name, source="Gateway", after=first)
    await application.until_on(name, output=lambda output: output and output[-1]["payload"] == "hello again")
    stack.history.follows("execution-on-device")


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_for_labelled_devices(stack: Stack) -> None:
    """A selector means the devices that carry the labels, and those only."""
    boards = await stack.boards.power_on(count=3)
    for board in boards:
        await stack.device(board).until(phase="Connected")
    for board in boards[:2]:
        await stack.device(board).label(site="roof")
    application = await stack.deploy("idle", to={"site": "roof"})
    await application.until(phase="Running", statistics={"target": 2, "running": 2})
    assert sorted(application.status.deployed_devices) == sorted(board.name for board in boards[:2])
    stack.history.follows("application-deployment")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_that_comes_later_gets_the_application_too(stack: Stack) -> None:
    """An application for all devices reaches one that was not there when it was made."""
    first = await stack.boards.power_on()
    await stack.device(first).until(phase="Connected")
    application = await stack.deploy("idle", to="all")
    await application.until(phase="Running", statistics={"target": 1, "running": 1})
    await stack.boards.power_on()
    await application.until(phase="Running", statistics={"target": 2, "running": 2})
    stack.history.follows("execution-on-device")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("reset")
async def test_an_application_returns_after_a_reboot(stack: Stack) -> None:
    """A reset device has lost its module and gets it again."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=board)
    await application.until(phase="Running")
    first = await stack.history.until("DeploymentResult", about=application.name, ok=True)
    await board.reset()
    again = await stack.history.until("DeploymentResult", about=application.name, ok=True, after=first, within=20)
    await stack.history.until("ApplicationStatus", about=application.name, state="running", after=again)
    await application.until(phase="Running", statistics={"running": 1})
    stack.history.follows("execution-on-device")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("to", ["by name", "all"])
@pytest.mark.parametrize("lost", [False, True], ids=["running", "rebooted"])
async def test_a_deleted_device_enrolls_again_and_runs_its_application(stack: Stack, to: str, lost: bool) -> None:
    """A Device is deleted while a module runs on the board. The board enrolls again with a new id, and the application
    is deployed to it again, whether the board still has the module or lost it in a reboot."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("hello", to="all" if to == "all" else board)
    await application.until(phase="Running")
    before = device.status.device_id

    if lost:
        await board.cut_link()
        await device.until(phase="Disconnected")
    await device.delete()
    away = await stack.history.until("Device", about=device.name, change="deleted")
    if lost:
        await board.cut_power()
        await board.restore_link()
        await board.power_on()
    await device.until(phase="Connected", device_id=lambda device_id: device_id not in (None, before), within=20)
    again = await stack.history.until(
        "DeploymentResult", about=application.name, device=device.name, ok=True, after=away, within=20
    )
    await stack.history.until("ApplicationStatus", about=application.name, state="running", after=again)
    await application.until(phase="Running", statistics={"running": 1, "failed": 0}, health="healthy")
    await application.until_on(device.name, state="running", error=None)
    stops = stack.history.find("Stop", about=application.name, source="Gateway")
    assert len(stops) == (0 if lost else 1), "what runs still is stopped before it is deployed again, and only that"
    stack.history.follows("device-deleted")


@pytest.mark.requires("applications", "gateway-http")
async def test_what_goes_on_running_under_a_new_id_is_stopped(stack: Stack) -> None:
    """A board is out of reach while its application is stopped and its Device deleted. It enrolls again with a new id,
    and its heartbeat says that the application runs: it is stopped there, although the old Device's record is gone."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=board)
    await application.until(phase="Running")
    before = device.status.device_id

    await board.cut_link()
    await device.until(phase="Disconnected")
    await application.stop()
    await application.until(phase="Stopped")
    await device.delete()
    away = await stack.history.until("Device", about=device.name, change="deleted")
    await board.restore_link()
    await device.until(phase="Connected", device_id=lambda device_id: device_id not in (None, before), within=20)
    await stack.history.until("Stop", about=application.name, source="Gateway", after=away)
    await application.until_on(device.name, state="stopped")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_is_asked_how_its_application_is(stack: Stack) -> None:
    """The gateway's HTTP API asks the device itself, and the device answers for what runs and for what does not."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=board)
    await application.until(phase="Running")
    path = "/api/v1/applications/{}/devices/" + device.name
    status, text = await stack.gateway.ask("GET", path.format(application.name))
    said = json.loads(text)
    assert (status, said.get("state"), said.get("error")) == (200, "running", None)
    assert said["metrics"]["memory_bytes"] >= 65_536
    _, text = await stack.gateway.ask("GET", path.format("unknown"))
    assert json.loads(text).get("state") == "stopped"
    asked = await stack.history.until("ApplicationStatusRequest", about=application.name, source="Gateway")
    await stack.history.until(
        "ApplicationStatus", about=application.name, messageId=asked.data["messageId"], after=asked
    )
    stack.history.follows("application-deployment", only=[application.name])


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("several-applications")
async def test_two_applications_share_a_device(stack: Stack) -> None:
    """Of two applications on a device, one that stops does not disturb the other."""
    board = await stack.boards.power_on()
    name = (await stack.device(board).until(phase="Connected")).name
    one = await stack.deploy("idle", to=board, name="one")
    two = await stack.deploy("hello", to=board, name="two")
    await one.until(phase="Running")
    await two.until(phase="Running")
    await one.stop()
    await one.until(phase="Stopped")
    assert two.on(name).state == "running"
    assert two.status.phase == "Running"
    stack.history.follows("execution-on-device")
