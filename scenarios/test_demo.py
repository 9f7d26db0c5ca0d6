"""The flagship: one fleet from power-on to a gateway's death, in four acts. ``make demo`` runs it on 20 boards."""

import pytest

from harness.boards.qemu import QemuTier
from harness.stack import Stack


@pytest.mark.requires("device-fields", "wasm")
async def test_a_fleet_enrolls(stack: Stack) -> None:
    """Every board proves who it is over mutual TLS 1.3 and becomes a Connected device in Kubernetes."""
    boards = await stack.boards.power_on(count=stack.options.fleet)
    for board in boards:
        device = await stack.device(board).until(phase="Connected", health="healthy", within=60)
        assert device.status.wasm_runtime == "ready"
    assert len({stack.device(board).status.device_id for board in boards}) == len(boards)
    stack.history.follows("device-enrollment")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_a_fleet_runs_an_application(stack: Stack) -> None:
    """One resource in Kubernetes, and a WebAssembly module runs on every board and publishes its readings."""
    boards = await stack.boards.power_on(count=stack.options.fleet)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=60)
    application = await stack.deploy("thermometer", to="all")
    await application.until(phase="Running", statistics={"running": len(boards)}, within=60)
    for board in boards:
        await application.until_on(board.name, output=lambda output: len(output) == 3, within=60)
    assert application.status.health == "healthy"
    stack.history.follows("application-monitoring")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.requires("wasm")
async def test_a_broken_module_harms_no_other(stack: Stack) -> None:
    """An endless loop is cut by its fuel on every board; the boards stay Connected and run the next application."""
    boards = await stack.boards.power_on(count=stack.options.fleet)
    for board in boards:
        await stack.device(board).until(phase="Connected", within=60)
    endless = await stack.deploy("endless", to="all", fuel=100_000)
    await endless.until(phase="Error", statistics={"failed": len(boards)}, within=60)
    hello = await stack.deploy("hello", to="all")
    await hello.until(phase="Running", statistics={"running": len(boards)}, within=60)
    assert all(stack.device(board).status.phase == "Connected" for board in boards)
    stack.history.follows("runtime-error", only=[endless.name])
    stack.history.follows("application-deployment", only=[hello.name])


@pytest.mark.requires("gateway-kill", "gateway-stop")
async def test_a_fleet_survives_the_death_of_its_gateway(stack: Stack) -> None:
    """The gateway is killed without closing its links in order; its successor gets every board back under the same
    id."""
    boards = await stack.boards.power_on(count=stack.options.fleet)
    devices = [await stack.device(board).until(phase="Connected", within=60) for board in boards]
    before = {device.name: (device.status.device_id, device.status.connected_since) for device in devices}
    await stack.gateway.kill()
    await stack.gateway.start()
    for device in devices:
        device_id, session = before[device.name]
        await device.until(
            phase="Connected", connected_since=lambda moment, old=session: moment not in (None, old), within=60
        )
        assert device.status.device_id == device_id
    stack.history.follows("device-connection")


@pytest.mark.system("QEMU")
@pytest.mark.requires("applications", "gateway-http", "other-programs")
@pytest.mark.skipif(QemuTier.unavailable() is not None, reason=f"no emulated boards: {QemuTier.unavailable()}")
async def test_real_firmware_joins_the_fleet(stack: Stack) -> None:
    """Three emulated microcontrollers boot our firmware beside virtual boards; the same bytes run on all of them."""
    emulated = await stack.boards.power_on("mps2-an385", count=3)
    boards = [*emulated, *await stack.boards.power_on("virtual", count=3)]
    for board in boards:
        await stack.device(board).until(phase="Connected", within=60)
    application = await stack.deploy("thermometer", to="all")
    await application.until(phase="Running", statistics={"running": len(boards)}, within=60)
    for board in boards:
        await application.until_on(board.name, output=lambda output: len(output) == 3, within=60)
    outputs = [application.on(board.name).output for board in boards]
    assert all(output == outputs[0] for output in outputs)
    stack.history.follows("application-deployment")
