"""The scenario of the README's first page, as it stands there."""

import pytest

from harness.stack import Stack


@pytest.mark.requires("applications", "wasm")
async def test_a_device_enrolls_and_runs_a_module(stack: Stack) -> None:
    """From power-on to a running module and a cut link, judged by the diagram of device enrollment."""
    board = await stack.boards.power_on()
    device = await stack.device(board).until(phase="Connected", within=30)
    assert device.status.wasm_runtime == "ready"

    application = await stack.deploy(stack.modules("hello"), to=board)
    await application.until(phase="Running", within=30)

    await board.cut_link()
    await stack.device(board).until(phase="Disconnected", within=30)
    stack.history.follows("device-enrollment")
