"""The invariants' share of a suite's processor time: tests with and without their judgement, in the same run."""

from __future__ import annotations

from time import process_time

from benchmarks.figure import Figure, middle
from harness.invariants import find_violations
from harness.stack import Stack, StackOptions

BOARDS = 20
ROUNDS = 5
MOST = 0.10


async def measure() -> list[Figure]:
    rounds, events = [], 0
    for _ in range(ROUNDS):
        without, judging, events = await _test()
        rounds.append((judging, without))
    judging, without = middle(rounds)
    return [
        Figure(
            f"judging a test of {events:,} events by the invariants",
            judging,
            "s",
            "the test without it",
            without,
            f"at most {MOST:.0%} of the test's time",
            lambda value, ratio: ratio <= MOST,
        )
    ]


async def _test() -> tuple[float, float, int]:
    """A fleet enrolls, runs an application and stops it: processor seconds of the test and of judging it, events."""
    begun = process_time()
    async with Stack(StackOptions(boards="virtual")) as stack:
        boards = await stack.boards.power_on(count=BOARDS)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=60)
        application = await stack.deploy("hello", to="all")
        await application.until(phase="Running", within=60)
        await application.delete()
        await application.until_gone(within=60)
        await stack.observe()
        ended = process_time()
        assert not find_violations(stack.history)
        judged = process_time()
    return process_time() - begun - (judged - ended), judged - ended, len(stack.history)
