"""Disturbances of links that are not possible are the caller's mistake, and change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.stack import Stack, StackOptions


async def test_links_that_pass_no_relay_cannot_be_disturbed() -> None:
    async with Stack(StackOptions()) as stack:
        with pytest.raises(UsageError, match=r"pass no relay\n  -> mark the test with stack\(relay=True\)"):
            stack.links.disturb(delay=1)
        assert not stack.history.find("disturb link")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({}, "is not a disturbance"),
        ({"delay": -1}, "delay is -1"),
        ({"bandwidth": float("inf")}, "bandwidth is inf"),
        ({"drop": 0.5}, "drop is 0.5"),
        ({"corrupt": 1.5}, "corrupt is 1.5"),
        ({"half_open": "board"}, r"half_open is 'board'\n  -> .*: device, gateway"),
        (
            {"late": 1},
            r"'late'\n  -> the disturbances are cut, half_open, silent, delay, jitter, slow_close, ",
        ),
    ],
)
async def test_a_disturbance_that_is_not_possible_is_named(what: dict[str, Any], message: str) -> None:
    async with Stack(StackOptions(relay=True)) as stack:
        with pytest.raises(UsageError, match=message):
            stack.links.disturb(**what)


async def test_another_gateway_is_disturbed_as_the_first() -> None:
    """A disturbance of all links is one of the links of a gateway that comes later too."""
    async with Stack(StackOptions(relay=True, heartbeat=0.3)) as stack:
        stack.links.disturb(cut=True)
        other = await stack.add_gateway("gateway-2")
        with pytest.raises(OSError, match=r".*"):
            await stack.mock_board("first", endpoint=other.endpoint)
        stack.links.restore()
        board = await stack.mock_board("second", endpoint=other.endpoint)
        await board.enroll()
