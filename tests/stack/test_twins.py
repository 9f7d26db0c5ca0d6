"""A board with another board's identity draws its own random values, even under a seed."""

from __future__ import annotations

from harness.stack import Stack, StackOptions


async def test_twins_draw_different_nonces_under_a_seed() -> None:
    async with Stack(StackOptions(seed=7)) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        await board.power_off()
        await stack.device(board).until(phase="Disconnected")
        twin = await stack.boards.power_on(twin_of=board)
        await stack.device(twin).until(phase="Connected")
        first, second = [event.data["nonce"] for event in stack.history.find("EnrollmentRequest")]
    assert first != second
