"""Many devices and one application: it runs where it can, failures are listed, and conflicts lose nothing."""

import asyncio

import pytest

from harness.stack import Stack
from harness.wasmbed.resources.api import Conflict
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_an_application_for_a_whole_fleet(stack: Stack) -> None:
    """Every device runs it, and the statistics say so."""
    count = stack.options.fleet
    boards = await stack.boards.power_on(count=count)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
    application = await stack.deploy("hello", to=boards)
    await application.until(phase="Running", statistics={"target": count, "running": count, "failed": 0}, within=30)
    assert sorted(application.status.deployed_devices) == sorted(board.name for board in boards)
    stack.history.follows("application-deployment")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("claims", "wasm")
async def test_partial_success_over_many_devices(stack: Stack) -> None:
    """Devices without a WASM runtime cannot; the others do; the application is PartiallyRunning and names them."""
    able = await stack.boards.power_on(count=3, name="able")
    unable = await stack.boards.power_on(count=2, name="unable", capabilities=("tls", "cbor"))
    for board in (*able, *unable):
        await stack.device(board).until(phase="Connected", within=30)
    application = await stack.deploy("hello", to=[*able, *unable])
    await application.until(
        phase="PartiallyRunning", statistics={"target": 5, "running": 3, "failed": 2}, health="degraded", within=30
    )
    assert sorted(application.status.deployed_devices) == sorted(board.name for board in able)
    assert all(board.name in (application.status.error or "") for board in unable)
    for board in able:
        assert application.on(board.name).state == "running"
    stack.history.follows("execution-on-device")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_an_application_outlives_a_lost_connection(stack: Stack) -> None:
    """A device without a link goes on with its application. Whether it does is unknown until the device is back."""
    boards = await stack.boards.power_on(count=3)
    for board in boards:
        await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=boards)
    await application.until(phase="Running", statistics={"running": 3}, health="healthy")
    await boards[0].cut_link()
    await stack.device(boards[0]).until(phase="Disconnected")
    await application.until(phase="PartiallyRunning", statistics={"running": 2, "unknown": 1}, health="degraded")
    await boards[0].restore_link()
    await stack.device(boards[0]).until(phase="Connected", within=20)
    await application.until(phase="Running", statistics={"running": 3}, health="healthy", within=20)
    assert len(stack.history.find("DeploymentResult", about=application.name)) == 3
    stack.history.follows("device-connection", only=[boards[0].name])


@pytest.mark.requires("wasm")
async def test_an_outdated_write_is_a_conflict(stack: Stack) -> None:
    """A write on top of an old version is refused, and nothing of the newer one is lost."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    outdated = await stack.api.get(DEVICE, device.name)
    await device.label(site="roof")
    outdated["metadata"]["labels"] = {"site": "cellar"}
    with pytest.raises(Conflict) as refused:
        await stack.api.replace(DEVICE, device.name, outdated)
    assert refused.value.reason == "Conflict"
    assert (await stack.api.get(DEVICE, device.name))["metadata"]["labels"]["site"] == "roof"
    stack.history.follows("device-enrollment")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_the_platform_wins_over_a_writer_that_interferes(stack: Stack) -> None:
    """Another client changes the Application after each change of the controller: the application is deployed all the
    same, because writers that meet a conflict read again and continue."""
    boards = await stack.boards.power_on(count=2)
    for board in boards:
        await stack.device(board).until(phase="Connected")
    moved = asyncio.Event()
    stack.history.listen(lambda event: moved.set() if event.source == "ApplicationController" else None)
    application = await stack.deploy("hello", to=boards)

    async def interfere() -> None:
        for number in range(30):
            change = {"metadata": {"annotations": {"example.com/number": str(number)}}}
            moved.clear()
            await stack.api.patch(APPLICATION, application.name, change)
            await moved.wait()

    meddler = asyncio.create_task(interfere())
    try:
        await application.until(phase="Running", statistics={"running": 2}, within=30)
    finally:
        meddler.cancel()
        await asyncio.wait([meddler])
    assert "example.com/number" in application.resource.metadata["annotations"]
    stack.history.follows("application-deployment")
