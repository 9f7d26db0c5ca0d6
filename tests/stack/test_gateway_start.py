"""Devices that return while their gateway registers: its API server is slow to answer."""

from __future__ import annotations

import asyncio

import pytest

from harness.core.errors import ProductFailure
from harness.stack import Stack


async def test_a_device_that_returns_before_its_gateway_is_online_on_record_stays_connected() -> None:
    async with Stack() as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        await stack.gateway.stop()
        await device.until(phase="Disconnected")
        gone = stack.history.find("PATCH Device", about=device.name)[-1]
        with stack.api_faults.holding("patch_status", client="Gateway", kind="Gateway") as held:
            starting = asyncio.create_task(stack.gateway.start())
            await held.reached.wait()
            await stack.history.until("TlsConnected", about=device.name, after=gone)
            with pytest.raises(ProductFailure):
                await device.until(phase="Connected", within=0.5)
        await starting
        await device.until(phase="Connected")
        written = stack.history.find("PATCH Device", about=device.name, after=gone)
        assert [event.data["status"]["phase"] for event in written if "phase" in event.data["status"]] == ["Connected"]
        await stack.observe()
        stack.judge()
