"""A log that many peers can fill writes a few lines of a kind and the count of the rest."""

from __future__ import annotations

import logging

import pytest

from harness.core.clock import ManualClock
from harness.core.logs import get_log
from harness.core.summed_log import SummedLog


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def log(clock: ManualClock) -> SummedLog:
    return SummedLog(get_log("summed"), clock, first=2, window=10)


async def test_a_thousand_lines_of_one_kind_become_three(
    clock: ManualClock, log: SummedLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        log.warning("device %s: refused", f"board-{number}")
    log.warning("the disk is full")
    await clock.advance(10)
    await clock.advance(100)
    assert caplog.messages == [
        "device board-0: refused",
        "device board-1: refused",
        "the disk is full",
        "device board-999: refused (the last of 998 more such lines in 10 s)",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


async def test_infrequent_lines_are_all_written(
    clock: ManualClock, log: SummedLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        log.warning("device %d: refused", number)
        await clock.advance(5.5)
    assert caplog.messages == [f"device {number}: refused" for number in range(6)]


async def test_the_count_is_written_on_close(
    clock: ManualClock, log: SummedLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        log.warning("device %d: refused", number)
    log.info("below the level of the log")
    log.close()
    log.close()
    assert caplog.messages[-1] == "device 4: refused (the last of 3 more such lines in 10 s)"
    assert len(caplog.messages) == 3
