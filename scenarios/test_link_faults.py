"""Failures of the link between a board and its gateway, whichever gateway it is: both come back to one state."""

import pytest

from harness.stack import Stack

pytestmark = pytest.mark.stack(relay=True, heartbeat=0.3)


@pytest.mark.requires("wasm")
async def test_a_slow_link_only_takes_longer(stack: Stack) -> None:
    """Each message is late, the order stays, and nobody gives up."""
    stack.links.disturb(delay=0.02, bandwidth=20_000)
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    stack.links.restore()
    assert not stack.history.find("ConnectionClosed", about=device.name)
    stack.history.follows("device-enrollment")


async def test_a_silent_link_is_given_up_and_found_again(stack: Stack) -> None:
    """The gateway misses heartbeats and writes Disconnected; when the link carries again, the device returns."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    with stack.links.disturbed(board, silent=True):
        await device.until(phase="Disconnected", within=60)
        stack.history.follows("connection-lost")
    await device.until(phase="Connected", within=60)


async def test_a_cut_link_is_seen_by_the_gateway_first(stack: Stack) -> None:
    """The board does not know that its link is gone, and cannot make another one before the cable is back."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    with stack.links.disturbed(board, cut=True):
        await device.until(phase="Disconnected", within=60)
    await device.until(phase="Connected", within=60)


async def test_a_board_returns_while_its_gateway_takes_the_old_link_for_open(stack: Stack) -> None:
    """The board alone knows that the link is over: its next session takes the place of the old one."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    stack.links.disturb(board, half_open="gateway")
    fault = stack.history[-1]
    await stack.history.until("TlsConnected", about=device.name, after=fault, within=60)
    await stack.history.until("HeartbeatAcknowledgment", about=device.name, after=fault, within=60)
    await stack.history.until("ConnectionClosed", about=device.name, after=fault, within=60)
    stack.links.restore(board)
    await device.until(phase="Connected", within=60)


async def test_a_board_gives_up_a_link_on_which_nobody_answers(stack: Stack) -> None:
    """The gateway alone knows that the link is over: the board finds out by its unanswered heartbeats."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    stack.links.disturb(board, half_open="device")
    await device.until(phase="Disconnected", within=60)
    await device.until(phase="Connected", within=60)
    stack.links.restore(board)


async def test_lost_frames_end_a_session_not_a_device(stack: Stack) -> None:
    """No heartbeat arrives any more: the session ends, and the device is Connected again once frames arrive."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=60)
    with stack.links.disturbed(board, drop=1):
        await device.until(phase="Disconnected", within=60)
    await device.until(phase="Connected", within=60)
    await stack.history.until("ConnectionClosed", about=device.name)
