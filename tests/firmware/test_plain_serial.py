"""The bridge does TLS for a board that cannot, if the link ``plain-serial`` is asked for."""

from __future__ import annotations

import asyncio

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.core.errors import UsageError
from harness.stack import Stack, StackOptions

KIND = "stm32vldiscovery"
IMAGE = find_platforms("qemu-system-arm")[KIND].image_path

pytestmark = [
    pytest.mark.system("QEMU"),
    pytest.mark.skipif(
        QemuTier.unavailable() is not None or not IMAGE.exists(),
        reason=QemuTier.unavailable() or f"there is no image of {KIND}: `make firmware`",
    ),
]


async def test_a_board_enrolls_and_comes_back_after_its_link_broke() -> None:
    async with asyncio.timeout(90), Stack(StackOptions(heartbeat=1.0)) as stack:
        with pytest.raises(UsageError, match=r"cannot do TLS in 8 KiB(.|\n)*stm32vldiscovery\+plain-serial"):
            await stack.boards.power_on(KIND)
        board = await stack.boards.power_on(KIND, link="plain-serial")
        device = stack.device(board)
        await device.until(phase="Connected", within=20)
        connected = stack.history.find("TlsConnected", about=board.name)[0]
        assert connected.data["version"] == "TLSv1.3"
        assert any(line.endswith("link: up, plain") for line in board.console.lines)
        await board.cut_link()
        await device.until(phase="Disconnected", within=20)
        await board.restore_link()
        await device.until(phase="Connected", within=20)
        latest = stack.history.find("Heartbeat", about=board.name)[-1]
        beat = await stack.history.until("Heartbeat", about=board.name, after=latest, within=20)
        assert beat.data["runtimeStatus"] == "unavailable"
        await board.power_off()
        await device.until(phase="Disconnected", within=20)
        stack.judge()


async def test_a_gateway_refuses_it_with_an_expired_certificate() -> None:
    async with Stack(StackOptions()) as stack:
        board = await stack.boards.power_on(KIND, link="plain-serial", certificate="expired")
        await stack.history.until("Error", about=board.name, within=20, code="CERTIFICATE_INVALID")
