"""Outages of the API server: the beginning and the end of each is logged once, and a long one is noticed."""

from __future__ import annotations

import asyncio

import pytest

from harness.core.clock import ManualClock
from harness.wasmbed.resources.outages import OutageLog

SERVER = "https://127.0.0.1:6443"


async def test_an_outage_is_logged_once_at_its_beginning_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    outages = OutageLog(clock)
    for _ in range(2):
        for why in ("connection refused", "connection refused", "timed out"):
            outages.failed(SERVER, why)
            await clock.advance(2)
        outages.answered(SERVER)
        outages.answered(SERVER)
    assert caplog.messages == 2 * [
        f"the Kubernetes API at {SERVER} does not answer: connection refused; trying again",
        f"the Kubernetes API at {SERVER} answers again, after 6.0 s",
    ]


async def test_only_an_outage_without_a_break_lasts() -> None:
    clock = ManualClock()
    outages = OutageLog(clock)
    lasts = asyncio.create_task(outages.lasts(10))
    await clock.advance(20)
    outages.failed(SERVER, "connection refused")
    await clock.advance(9)
    outages.answered(SERVER)
    await clock.advance(9)
    outages.failed(SERVER, "timed out")
    await clock.advance(9)
    assert not lasts.done()
    await clock.advance(2)
    assert await lasts == "timed out"
