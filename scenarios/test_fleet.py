"""Many devices and one application: who can, does; who cannot is named; conflicts lose nothing."""

import asyncio

import pytest

from harness.stack import Stack
from harness.wasmbed.resources.api import Conflict
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE


async def test_an_application_for_a_whole_fleet(stack: Stack) -> None:
    """Every device runs it, and the statistics say so."""
    count = stack.options.fleet
    boards = await stack.boards.power_on(count=count)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=30)
    application = await stack.deploy("hello", to=boards)
    await application.until(phase="Running", statistics={"target": count, "running": count, "failed": 0}, within=30)
    assert sorted(application.status.deployed_devices) == sorted(board.name for board in boards)


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
    for board in unable:
        entry = application.on(board.name)
        assert entry.error or entry.deployment.error
    for board in able:
        assert application.on(board.name).state == "running"


async def test_a_device_that_is_lost_is_missed(stack: Stack) -> None:
    """When one of three loses its link, two go on; when it is back, three run again."""
    boards = await stack.boards.power_on(count=3)
    for board in boards:
        await stack.device(board).until(phase="Connected")
    application = await stack.deploy("idle", to=boards)
    await application.until(phase="Running", statistics={"running": 3})
    await boards[0].cut_link()
    await stack.device(boards[0]).until(phase="Disconnected")
    await application.until(phase="PartiallyRunning", statistics={"running": 2})
    await boards[0].restore_link()
    await stack.device(boards[0]).until(phase="Connected", within=20)
    await application.until(phase="Running", statistics={"running": 3}, within=20)


async def test_an_outdated_write_is_a_conflict(stack: Stack) -> None:
    """Whoever writes on top of an old version is told so, and nothing of the newer one is lost."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected")
    outdated = await stack.api.get(DEVICE, device.name)
    await device.label(site="roof")
    outdated["metadata"]["labels"] = {"site": "cellar"}
    with pytest.raises(Conflict) as refused:
        await stack.api.replace(DEVICE, device.name, outdated)
    assert refused.value.reason == "Conflict"
    assert (await stack.api.get(DEVICE, device.name))["metadata"]["labels"]["site"] == "roof"


async def test_the_platform_wins_over_a_writer_that_interferes(stack: Stack) -> None:
    """While somebody changes the resource all the time, the application is deployed all the same: writers that meet
    a conflict read again and go on."""
    boards = await stack.boards.power_on(count=2)
    for board in boards:
        await stack.device(board).until(phase="Connected")
    application = await stack.deploy("hello", to=boards)

    async def interfere() -> None:
        number = 0
        while True:
            number += 1
            change = {"metadata": {"annotations": {"example.com/number": str(number)}}}
            await stack.api.patch(APPLICATION, application.name, change)

    meddler = asyncio.create_task(interfere())
    try:
        await application.until(phase="Running", statistics={"running": 2}, within=30)
    finally:
        meddler.cancel()
        await asyncio.wait([meddler])
    annotations = application.resource.metadata["annotations"]
    assert int(annotations["example.com/number"]) > 0
