"""Boards of two tiers connect to the reference gateway through the relay, and all judges are content."""

from __future__ import annotations

import pytest

from harness.boards.qemu import QemuTier
from harness.stack import Stack, StackOptions


@pytest.mark.parametrize("boards", ["virtual", pytest.param("qemu", marks=pytest.mark.system("QEMU"))])
async def test_a_board_lives_behind_the_relay(boards: str) -> None:
    """From the enrollment to the end of an application. The firmware in QEMU has another TLS library, which reads only
    the groups and signature schemes that a gateway offers."""
    tier = QemuTier()
    if boards == "qemu" and (missing := tier.about(tier.kinds()[0]).unavailable) is not None:
        pytest.skip(missing)
    async with Stack(StackOptions(boards=boards, relay=True)) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected", within=60)
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running", within=60)
        await application.stop()
        await application.until(phase="Stopped", within=60)
        (connected,) = stack.history.find("TlsConnected", about=device.name)
        assert connected.data["relayed"] != connected.data["address"]
        stack.history.follows("device-enrollment")
        await stack.observe()
        stack.judge()
