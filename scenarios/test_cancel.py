"""Applications that are deleted or stopped before they run: their transfers end at once, and nothing of them runs."""

import pytest

from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.mock_board import MockBoard
from harness.stack.modules import padded
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    ChunkAcknowledgment,
    Deploy,
    DeploymentResult,
    Heartbeat,
    ModuleChunk,
    Stop,
    StopResult,
)
from harness.wasmbed.resources.kinds import APPLICATION


async def receiving(stack: Stack) -> tuple[MockBoard, str, ApplicationHandle]:
    """A device driven by hand, its id, and an application of which it has the announcement and the first chunk."""
    peer = await stack.mock_board("by-hand")
    device_id = await peer.enroll()
    await stack.device("by-hand").until(phase="Connected")
    application = await stack.deploy(padded(stack.modules("hello"), 60_000), to="by-hand", name="heavy")
    await peer.expect(Deploy)
    await peer.expect(ModuleChunk)
    chunk = await stack.history.until("ModuleChunk", about="heavy")
    peer.send(ChunkAcknowledgment("heavy", 0), chunk.data["messageId"])
    await application.until_on("by-hand", state="receiving")
    return peer, device_id, application


async def take_stop(stack: Stack, peer: MockBoard) -> None:
    """Receive the chunks that were under way and the stop, and answer as a board does."""
    stop = await stack.history.until("Stop", about="heavy", source="Gateway")
    deploy = await stack.history.until("Deploy", about="heavy", source="Gateway")
    sent = stack.history.find("ModuleChunk", about="heavy", source="Gateway")
    for _ in sent[1:]:
        await peer.expect(ModuleChunk)
    await peer.expect(Stop)
    for chunk in sent[1:]:
        peer.send(ChunkAcknowledgment("heavy", chunk.data["index"]), chunk.data["messageId"])
    peer.send(DeploymentResult("heavy", False, "cancelled", {}, "CANCELLED"), deploy.data["messageId"])
    peer.send(StopResult("heavy", True), stop.data["messageId"])


def chunks(stack: Stack) -> int:
    return len(stack.history.find("ModuleChunk", about="heavy", source="Gateway"))


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("how", ["deleted", "stopped"])
async def test_a_transfer_that_is_not_wanted_any_more_ends_at_once(stack: Stack, how: str) -> None:
    """Of fifteen chunks the device has acknowledged one. The gateway sends no further one, and the resource does not
    wait for the rest."""
    peer, device_id, application = await receiving(stack)
    await (application.delete() if how == "deleted" else application.stop())
    await take_stop(stack, peer)
    if how == "deleted":
        await application.until_gone()
    else:
        await application.until(phase="Stopped", statistics={"running": 0, "failed": 0})
        await application.until_on("by-hand", state="stopped")
    await peer.beat(device_id)
    assert chunks(stack) < 10
    stack.history.follows("transfer-cancelled")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_target_that_leaves_in_the_middle_of_a_transfer(stack: Stack) -> None:
    """A device's labels no longer match during its transfer: the transfer ends, and the application forgets the
    device."""
    peer = await stack.mock_board("by-hand")
    await peer.enroll()
    device = await stack.device("by-hand").until(phase="Connected")
    await device.label(site="roof")
    application = await stack.deploy(padded(stack.modules("hello"), 60_000), to={"site": "roof"}, name="heavy")
    await peer.expect(Deploy)
    await peer.expect(ModuleChunk)
    await application.until_on("by-hand", state="receiving")
    await device.label(site="cellar")
    await take_stop(stack, peer)
    await application.until(device_statuses=lambda entries: not entries, statistics={"target": 0})


@pytest.mark.requires("applications", "gateway-http")
async def test_a_device_that_is_deleted_in_the_middle_of_a_transfer(stack: Stack) -> None:
    """Nothing more is sent to it, and the application says why. When it enrolls again it gets the whole module."""
    peer, device_id, application = await receiving(stack)
    await stack.device("by-hand").delete()
    await peer.until_closed()
    sent = chunks(stack)
    await application.until(error=lambda error: "does not exist" in (error or ""), statistics={"running": 0})
    again = await stack.mock_board("by-hand", credentials=peer.credentials)
    assert await again.enroll() != device_id
    delivery = await again.run_module(within=30)
    await application.until(phase="Running", statistics={"target": 1, "running": 1})
    assert chunks(stack) == sent + -(-delivery.deploy.size // delivery.deploy.chunk_size)


@pytest.mark.requires("applications", "gateway-http")
async def test_a_changed_module_replaces_the_one_that_is_under_way(stack: Stack) -> None:
    peer, _, application = await receiving(stack)
    replacement = padded(stack.modules("hello_again"), 5_000)
    await application.redeploy(replacement)
    await take_stop(stack, peer)
    deploy = await peer.expect(Deploy, within=20)
    assert deploy.size == len(replacement)
    for _ in range(-(-deploy.size // deploy.chunk_size)):
        await peer.expect(ModuleChunk)
    await stack.recorded()
    announced = stack.history.find("Deploy", about="heavy", source="Gateway")[-1]
    for sent in stack.history.find("ModuleChunk", about="heavy", source="Gateway"):
        if sent.n > announced.n:
            peer.send(ChunkAcknowledgment("heavy", sent.data["index"]), sent.data["messageId"])
    peer.send(DeploymentResult("heavy", True), announced.data["messageId"])
    await application.until_on("by-hand", state="deployed", generation=2)


@pytest.mark.requires("applications", "gateway-http")
async def test_an_application_of_the_same_name_made_anew_in_the_middle_of_a_transfer(stack: Stack) -> None:
    """Another client removes the Application's finalizer: the old resource is deleted at once. The device gets the new
    one."""
    peer, _, application = await receiving(stack)
    await application.delete()
    await stack.api.patch(APPLICATION, "heavy", {"metadata": {"finalizers": []}})
    await application.until_gone()
    replacement = padded(stack.modules("hello_again"), 3_000)
    again = await stack.deploy(replacement, to="by-hand", name="heavy")
    await take_stop(stack, peer)
    stop = await stack.history.until("Stop", about="heavy", source="Gateway")
    announced = await stack.history.until(source="Gateway", target="Device", about="heavy", after=stop, within=20)
    assert announced.name == "Deploy"
    assert announced.data["size"] == len(replacement)
    sent = await stack.history.until("ModuleChunk", about="heavy", after=announced)
    peer.send(ChunkAcknowledgment("heavy", 0), sent.data["messageId"])
    peer.send(DeploymentResult("heavy", True), announced.data["messageId"])
    await again.until_on("by-hand", state="deployed")


@pytest.mark.requires("applications", "gateway-http")
async def test_one_that_waits_behind_another_is_never_sent(stack: Stack) -> None:
    """An application that is cancelled while it waits for another transfer is never sent, and does not wait for it."""
    peer, _, _ = await receiving(stack)
    waiting = await stack.deploy("hello", to="by-hand", name="waiting")
    await stack.history.until("DeployApplication", about="waiting")
    await waiting.delete()
    stop = await stack.history.until("Stop", about="waiting", source="Gateway")
    peer.send(StopResult("waiting", True), stop.data["messageId"])
    await waiting.until_gone()
    await stack.recorded()
    assert not stack.history.find("Deploy", about="waiting")


@pytest.mark.requires("applications", "gateway-http")
async def test_one_that_waited_is_not_sent_when_its_turn_comes(stack: Stack) -> None:
    """The transfer before it ends after the stop of the one that waited: the next to be sent is another."""
    meter = await stack.mock_board("meter")
    await meter.enroll()
    await stack.device("meter").until(phase="Connected")
    first = await stack.deploy("hello", to="meter", name="first")
    delivery = await meter.receive_module()
    waiting = await stack.deploy("idle", to="meter", name="waiting")
    await stack.history.until("DeployApplication", about="waiting")
    await waiting.stop()
    await meter.obey_stop()
    await waiting.until(phase="Stopped")
    meter.send(DeploymentResult("first", ok=True), delivery.message_id)
    meter.send(ApplicationStatus("first", ApplicationState.RUNNING))
    await first.until(phase="Running")
    last = await stack.deploy("echo", to="meter", name="last")
    assert (await meter.run_module()).application == "last"
    await last.until(phase="Running")
    assert not stack.history.find("Deploy", about="waiting")


@pytest.mark.requires("applications", "gateway-http", "gateway-kill", "gateway-stop")
async def test_a_gateway_that_is_killed_in_the_middle_of_a_transfer_that_is_then_deleted(stack: Stack) -> None:
    """The successor of a killed gateway sends nothing of a deleted application, and stops it if a device names it all
    the same."""
    peer, device_id, application = await receiving(stack)
    await stack.gateway.kill()
    await peer.until_closed()  # what a relay still had of it is on record
    before = chunks(stack)
    await application.delete()
    await stack.gateway.start()
    await application.until_gone(within=20)
    again = await stack.mock_board("by-hand", credentials=peer.credentials)
    again.send(Heartbeat(device_id, 0, "active", {}, "ready", {"heavy": ApplicationState.RUNNING}))
    stop = await stack.history.until("Stop", about="heavy", source="Gateway")
    again.send(StopResult("heavy", True), stop.data["messageId"])
    assert chunks(stack) == before


@pytest.mark.requires("applications", "gateway-http", "wasm")
@pytest.mark.stack(relay=True, heartbeat=30.0)
@pytest.mark.parametrize("how", ["deleted", "stopped"])
async def test_a_board_runs_nothing_of_what_was_cancelled(stack: Stack, how: str) -> None:
    """The link carries nothing until the stop is under way, so the board has a part of the module when it hears of it.
    It answers that the deployment was cancelled, and the next one starts at once."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    heavy = padded(stack.modules("hello"), min(200_000, device.spec.largest_module or 65_536))
    with stack.links.disturbed(board, silent=True):
        application = await stack.deploy(heavy, to=board, name="heavy")
        await stack.history.until("ModuleChunk", about="heavy", within=30)
        await (application.delete() if how == "deleted" else application.stop())
        await stack.history.until("Stop", about="heavy", source="Gateway", within=30)
    await stack.history.until("DeploymentResult", about="heavy", code="CANCELLED", within=30)
    await stack.history.until("StopResult", about="heavy", source="Device", ok=True, within=30)
    if how == "deleted":
        await application.until_gone(within=30)
    else:
        await application.until(phase="Stopped", within=30)
    stack.history.follows("transfer-cancelled")
    following = await stack.deploy("hello_again", to=board, name="following")
    await following.until(phase="Running", within=30)
    assert not any("hello from a module" in line for line in board.console.lines)
    assert not stack.history.find("ApplicationStatus", about="heavy", source="Device", state="running")
