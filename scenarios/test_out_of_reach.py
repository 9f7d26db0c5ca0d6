"""Applications on devices out of reach are unknown; a wait for an unreachable phase fails at once."""

import pytest

from harness.core.errors import ProductFailure
from harness.stack import Stack
from harness.wasmbed.protocol.messages import ApplicationState

pytestmark = pytest.mark.requires("wasm")

DAY = 86_400.0


@pytest.mark.requires("applications", "gateway-http")
async def test_boards_without_power_are_counted_apart(stack: Stack) -> None:
    """Of five boards two lose their power: it does not run on five any more, and says so until they are back."""
    boards = await stack.boards.power_on(count=5)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
    application = await stack.deploy("idle", to=boards)
    await application.until(phase="Running", statistics={"running": 5, "unknown": 0}, within=30)
    for board in boards[:2]:
        await board.cut_power()
    for board in boards[:2]:
        await stack.device(board).until(phase="Disconnected", within=15)
    await application.until(
        phase="PartiallyRunning",
        statistics={"target": 5, "running": 3, "failed": 0, "unknown": 2},
        health="degraded",
    )
    entry = await application.until_on(boards[0].name, state="unknown")
    assert "out of reach since" in (entry.error or "")
    assert boards[0].name in (application.status.error or "")
    with pytest.raises(ProductFailure, match="it is PartiallyRunning"):
        await application.until(phase="Running", statistics={"running": 5}, within=0.5)
    for board in boards[:2]:
        await board.power_on()
    await application.until(phase="Running", statistics={"running": 5, "unknown": 0}, health="healthy", within=60)


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_of_which_nothing_is_heard_is_unknown(stack: Stack) -> None:
    """An application is unknown while its only device has no link; when the device is back, its heartbeat says that the
    module ran on."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=board)
    await application.until(phase="Running")
    await board.cut_link()
    await application.until(phase="Unknown", health="unknown", statistics={"running": 0, "unknown": 1})
    await board.restore_link()
    await application.until(phase="Running", health="healthy", error=None, within=20)
    assert application.on(device.name).state == "running"
    assert len(stack.history.find("DeploymentResult", about=application.name)) == 1
    phases = stack.history.phases(application.name)
    assert phases == ["Pending", "Creating", "Deploying", "Deployed", "Running", "Unknown", "Running"]


@pytest.mark.requires("applications", "gateway-http", "gateway-kill", "gateway-stop")
@pytest.mark.stack(beat=0.5)
async def test_a_gateway_that_dies_leaves_nothing_that_is_known_to_run(stack: Stack) -> None:
    """A gateway that misses three of its own heartbeats is Offline, and the verdict names them; its devices are
    Disconnected, and their applications are unknown. Its successor hears them again."""
    boards = await stack.boards.power_on(count=2)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
    application = await stack.deploy("idle", to=boards)
    await application.until(phase="Running", statistics={"running": 2}, within=30)
    await stack.gateway.kill()
    await stack.gateway.until(phase="Offline", error=lambda error: "3 beats of 0.5 s missed" in (error or ""))
    for board in boards:
        await stack.device(board).until(phase="Disconnected", error="Connection lost")
    await application.until(phase="Unknown", statistics={"running": 0, "unknown": 2})
    await stack.gateway.start()
    await stack.gateway.until(phase="Online", error=None)
    await application.until(phase="Running", statistics={"running": 2, "unknown": 0}, within=60)
    assert len(stack.history.find("DeploymentResult", about=application.name)) == 2
    outage = [event.name for event in stack.history.find(source="Harness", gateway="gateway-1")]
    assert outage == ["gateway up", "kill gateway", "gateway down", "gateway up"]


@pytest.mark.requires("applications", "gateway-api-faults", "gateway-http")
@pytest.mark.requires("gateway-api-faults", "gateway-http")
@pytest.mark.stack(beat=0.5)
async def test_a_gateway_that_was_only_cut_off_knows_what_its_devices_run(stack: Stack) -> None:
    """A gateway that cannot reach the API server is Offline, and its devices' applications are unknown; the devices
    notice nothing. When it is back, their last heartbeats count: no device has to send another."""
    meter = await stack.mock_board("meter")
    await meter.enroll()
    await stack.device("meter").until(phase="Connected")
    application = await stack.deploy("hello", to="meter", name="app")
    await meter.run_module()
    await application.until(phase="Running")
    await meter.beat(app=ApplicationState.RUNNING)
    await stack.device("meter").until(applications=len)
    with stack.api_faults.failing(client="Gateway"):
        await stack.gateway.until(phase="Offline", within=30)
        await application.until(phase="Unknown", within=30)
        assert "out of reach since" in (application.on("meter").error or "")
    await stack.device("meter").until(phase="Connected", within=30)
    await application.until(phase="Running", error=None, statistics={"running": 1, "unknown": 0}, within=30)
    assert application.on("meter").error is None
    assert len(stack.history.find("Deploy", about="app")) == 1
    assert len(stack.history.find("DeployApplication", about="app")) == 1


@pytest.mark.requires("applications", "gateway-http")
async def test_a_wish_that_cannot_come_true_is_not_waited_for(stack: Stack) -> None:
    """A module that broke does not run by itself, however long one waits."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    application = await stack.deploy("trap", to=board)
    with pytest.raises(
        ProductFailure,
        match=r"can no longer reach phase=Running; it is Error, and no move leads from there without a change: ",
    ):
        await application.until(phase="Running", within=DAY)
    await application.redeploy(stack.modules("hello"))
    await application.until(phase="Running")


@pytest.mark.requires("applications", "gateway-http")
async def test_what_was_stopped_or_deleted_is_not_waited_for(stack: Stack) -> None:
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=board)
    await application.until(phase="Running")
    await application.stop()
    with pytest.raises(ProductFailure, match=r"can no longer reach phase=Running; it is Stop"):
        await application.until(phase="Running", within=DAY)
    await application.start()
    await application.until(phase="Running")
    await application.delete()
    with pytest.raises(ProductFailure, match=r"can no longer reach phase=Error; it (is being|was) deleted"):
        await application.until(phase="Error", within=DAY)
    with pytest.raises(ProductFailure, match=r"can no longer reach state=error on .*; it was deleted"):
        await application.until_on(device.name, state="error", within=DAY)


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("reset")
async def test_what_the_test_has_just_done_may_change_everything(stack: Stack) -> None:
    """A wait does not fail early between a reset and its consequences."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    application = await stack.deploy("trap", to=board)
    await application.until(phase="Error")
    await board.reset()
    with pytest.raises(ProductFailure, match="can no longer reach phase=Running"):
        await application.until(phase="Running", within=DAY)
    assert len(stack.history.find("RuntimeFault", about=application.name)) == 2


@pytest.mark.stack(deadline=3600)
@pytest.mark.requires("virtual-time", "device-phases")
async def test_a_device_that_stays_away_is_unreachable_until_it_is_back(stack: Stack) -> None:
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    device_id = device.status.device_id
    await board.cut_power()
    await device.until(phase="Disconnected", within=300)
    await device.until(phase="Unreachable", error="Connection lost", within=1000)
    await board.power_on()
    await device.until(phase="Connected", device_id=device_id, error=None, within=60)
