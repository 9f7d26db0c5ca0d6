"""A board with another one's identity is a board of its own, also where everything random has a seed."""

from __future__ import annotations

import asyncio

from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions


def test_twins_draw_nonces_of_their_own_under_a_seed() -> None:
    async def play() -> list[str]:
        async with asyncio.timeout(60), Stack(StackOptions(seed=7)) as stack:
            board = await stack.boards.power_on()
            await stack.device(board).until(phase="Connected")
            await board.power_off()
            await stack.device(board).until(phase="Disconnected")
            twin = await stack.boards.power_on(twin_of=board)
            await stack.device(twin).until(phase="Connected")
            return [event.data["nonce"] for event in stack.history.find("EnrollmentRequest")]

    with new_runner() as runner:
        first, second = runner.run(play())
    assert first != second
