"""Several gateways behind one address: where devices go, and where they are after one has died."""

from collections.abc import Iterator, Sequence

import pytest

from harness.boards.board import Board
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.gateways import GatewayControl
from harness.wasmbed.gateway.placement import Candidate, choose_home
from harness.wasmbed.resources.kinds import DEVICE

pytestmark = pytest.mark.requires("several-gateways", "gateway-placement", "reassign")

PATIENCE = 120.0
STALE = 60.0
"""Seconds between two beats of a gateway, for tests in which the others do not know yet what became of it."""
HEARTBEATS = 3
"""Heartbeat intervals within which the devices of a gateway that died are back."""


def home(device: str, count: int = 3) -> str:
    """The gateway of a device among ``count`` that have room."""
    chosen = choose_home(device, None, [Candidate(f"gateway-{number}", "") for number in range(1, count + 1)])
    assert chosen is not None
    return chosen.name


def names_of(gateway: str) -> Iterator[str]:
    """Names of devices whose home is ``gateway``, of two."""
    return (name for name in (f"pump-{number}" for number in range(1, 50)) if home(name, 2) == gateway)


async def at_home(stack: Stack) -> tuple[list[Board], Sequence[GatewayControl]]:
    """A fleet that is Connected, each board at its home, and the three gateways."""
    gateways = await stack.scale_gateways(3)
    boards = await stack.boards.power_on(count=stack.options.fleet)
    for board in boards:
        await stack.device(board).until(phase="Connected", gateway=home(board.name), within=PATIENCE)
    return boards, gateways


async def back(stack: Stack, boards: Sequence[Board], dead: GatewayControl) -> None:
    """Wait until every board is Connected at a gateway that runs; those of the others have not moved."""
    for board in boards:
        was, elsewhere = home(board.name), stack.device(board)
        await elsewhere.until(phase="Connected", gateway=lambda name: name != dead.name, within=PATIENCE)
        if was != dead.name:
            assert elsewhere.status.gateway == was


async def test_devices_are_spread_over_the_gateways(stack: Stack) -> None:
    """Whichever gateway a device enrolls at, it is Connected at its home."""
    boards, gateways = await at_home(stack)
    assert len(gateways) == 3
    assert all(stack.history.phases(board.name)[-1] == "Connected" for board in boards)


async def test_a_device_goes_to_the_gateway_that_it_prefers(stack: Stack) -> None:
    """After its next enrollment."""
    gateways = await stack.scale_gateways(3)
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", gateway=home(board.name), within=PATIENCE)
    preferred = next(each.name for each in gateways if each.name != home(board.name))
    await stack.api.patch(DEVICE, device.name, {"spec": {"preferredGateway": preferred}})
    await board.reset()
    await device.until(phase="Connected", gateway=preferred, within=PATIENCE)


@pytest.mark.stack(beat=0.3)
async def test_a_gateway_that_is_full_gets_no_further_device(stack: Stack) -> None:
    """The second device of the same home goes to the other gateway."""
    await stack.scale_gateways(2, sessions=1)
    of_second = names_of("gateway-2")
    await connected(stack, next(of_second), "gateway-2")
    await stack.gateways[1].until(connected_devices=1, within=PATIENCE)
    await connected(stack, next(of_second), "gateway-1")


async def test_a_device_resumes_at_the_gateway_that_it_is_sent_to(stack: Stack) -> None:
    """Whichever of two it enrolls with, and again after a power cut: it is served under the id that it got there."""
    gateways = await stack.scale_gateways(2)
    for at, of in (gateways, reversed(gateways)):
        stack.boards.gateway = at.endpoint
        board = await connected(stack, next(names_of(of.name)), of.name)
        if "reset" in board.features:
            first = stack.history.find("EnrollmentResponse", about=board.name)[-1]
            await board.cut_power()
            await stack.device(board).until(phase="Disconnected", within=PATIENCE)
            await board.power_on()
            again = await stack.history.until("EnrollmentResponse", about=board.name, after=first, within=PATIENCE)
            await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=again, within=PATIENCE)
            await stack.device(board).until(phase="Connected", gateway=of.name, within=PATIENCE)
        given = [each.data["deviceId"] for each in stack.history.find("EnrollmentResponse", about=board.name)]
        assert stack.device(board).status.device_id == given[-1]
    stack.history.follows("device-reassigned")


@pytest.mark.requires("gateway-settings")
@pytest.mark.stack(beat=0.3)
async def test_a_device_comes_back_when_its_home_has_no_place(stack: Stack) -> None:
    """The first gateway does not know yet that the second is full: it sends the device there, and then serves it. It
    writes meanwhile that the device is nowhere."""
    first, second = await stack.scale_gateways(2, sessions=1, last_seen_interval=STALE, retry_after=2.0)
    of_second = names_of("gateway-2")
    stack.boards.gateway = second.endpoint
    await connected(stack, next(of_second), "gateway-2")
    stack.boards.gateway = first.endpoint
    board = await connected(stack, next(of_second), "gateway-1")
    assert stack.history.find("EnrollmentResponse", about=board.name, reassigned=True)
    assert stack.history.find("Error", about=board.name, code="GATEWAY_FULL")
    stack.history.follows("device-reassigned", only=[board.name])


@pytest.mark.requires("gateway-kill")
@pytest.mark.stack(beat=STALE)
async def test_a_device_comes_back_when_its_home_is_away(stack: Stack) -> None:
    """The first gateway does not know yet that the second was killed."""
    first, second = await stack.scale_gateways(2)
    await second.kill()
    stack.boards.gateway = first.endpoint
    board = await connected(stack, next(names_of("gateway-2")), "gateway-1")
    assert stack.history.find("EnrollmentResponse", about=board.name, reassigned=True)
    stack.history.follows("device-reassigned", only=[board.name])


@pytest.mark.requires("ethernet")
async def test_a_device_comes_back_when_it_has_no_way_to_its_home(stack: Stack) -> None:
    """In its emulator's network a board reaches no gateway by the address that this computer knows."""
    first, _ = await stack.scale_gateways(2)
    stack.boards.gateway = first.endpoint
    board = await connected(stack, next(names_of("gateway-2")), "gateway-1", link="ethernet")
    assert any("link: no connection: refused" in line for line in board.console.lines)  # and not: no answer in time
    stack.history.follows("device-reassigned")


async def connected(stack: Stack, name: str, gateway: str, *, link: str | None = None) -> Board:
    """A board of that name, Connected at that gateway."""
    board = await stack.boards.power_on(name=name, link=link)
    await stack.device(board).until(phase="Connected", gateway=gateway, within=PATIENCE)
    return board


@pytest.mark.requires("gateway-stop")
async def test_the_devices_of_a_gateway_that_drains_go_to_the_others(stack: Stack) -> None:
    """It sends them away; the others take them, and it is Offline with no device."""
    boards, gateways = await at_home(stack)
    await gateways[2].stop()
    await back(stack, boards, gateways[2])
    await gateways[2].until(phase="Offline", connected_devices=0, within=PATIENCE)


@pytest.mark.requires("gateway-kill", "virtual-time")
async def test_the_devices_of_a_killed_gateway_are_back_within_three_heartbeats(stack: Stack) -> None:
    """No controller has to find it dead first: its devices cannot connect, and resume through the common address."""
    boards, gateways = await at_home(stack)
    killed_at = stack.clock.now()
    await gateways[2].kill()
    await back(stack, boards, gateways[2])
    assert stack.clock.now() - killed_at <= HEARTBEATS * stack.options.heartbeat


@pytest.mark.requires("applications", "gateway-http", "gateway-kill", "wasm")
async def test_what_runs_on_the_devices_of_a_killed_gateway_runs_on(stack: Stack) -> None:
    """They resume under their ids; nothing is deployed a second time."""
    boards, gateways = await at_home(stack)
    application = await running(stack, boards)
    ids = {board.name: stack.device(board).status.device_id for board in boards}
    await gateways[2].kill()
    await back(stack, boards, gateways[2])
    await application.until(phase="Running", statistics={"running": len(boards)}, within=PATIENCE)
    assert {board.name: stack.device(board).status.device_id for board in boards} == ids
    assert len(stack.history.find("DeploymentResult", about=application.name)) == len(boards)


@pytest.mark.requires("applications", "gateway-http", "gateway-kill", "virtual-time", "wasm")
async def test_a_gateway_and_the_leading_manager_are_killed_together(stack: Stack) -> None:
    """The lease of the manager is not given back: the second waits for its end, and goes on with what it finds."""
    second = stack.make_controllers("second", lease_duration=3.0)
    await second.start()
    boards, gateways = await at_home(stack)
    application = await running(stack, boards)
    await stack.controllers.kill()
    await gateways[2].kill()
    await back(stack, boards, gateways[2])
    await gateways[2].until(phase="Offline", within=PATIENCE)
    assert second.leading
    await application.until(phase="Running", statistics={"running": len(boards)}, within=PATIENCE)
    again = await running(stack, boards)
    assert again.name != application.name


@pytest.mark.requires(
    "applications", "controllers-api-faults", "gateway-api-faults", "gateway-http", "gateway-kill", "wasm"
)
async def test_a_gateway_is_killed_while_the_api_server_is_away(stack: Stack) -> None:
    """Its devices are served by the others at once, from what those know; the record follows when it can."""
    boards, gateways = await at_home(stack)
    application = await running(stack, boards)
    moved = [board for board in boards if home(board.name) == gateways[2].name]
    with stack.api_faults.failing():
        await gateways[2].kill()
        killed = await stack.history.until("kill gateway")
        for board in moved:
            await stack.history.until(
                "HeartbeatAcknowledgment", source="Gateway", about=board.name, after=killed, within=PATIENCE
            )
    await back(stack, boards, gateways[2])
    await application.until(phase="Running", statistics={"running": len(boards)}, within=PATIENCE)
    assert len(stack.history.find("DeploymentResult", about=application.name)) == len(boards)


async def running(stack: Stack, boards: Sequence[Board]) -> ApplicationHandle:
    """An application that runs on all of them."""
    application = await stack.deploy("idle", to=list(boards))
    return await application.until(phase="Running", statistics={"running": len(boards)}, within=PATIENCE)
