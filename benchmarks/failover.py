"""``failover``: the time from the ``kill -9`` of one of three gateway processes until every one of 500 boards has an
answer again, against three heartbeats."""

from __future__ import annotations

from benchmarks.figure import Figure
from harness.stack import Stack
from harness.stack.options import StackOptions

BOARDS = 500
HEARTBEATS, INTERVAL = 3, 10.0
WITHIN = 300.0


async def measure() -> list[Figure]:
    options = StackOptions(gateway="process", fleet=BOARDS, heartbeat=INTERVAL)
    async with Stack(options) as stack:
        await stack.scale_gateways(3)
        boards = await stack.boards.power_on(count=BOARDS)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=WITHIN)
        await stack.gateways[2].kill()
        killed = await stack.history.until("kill gateway")
        last = killed.at
        for board in boards:
            answer = await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=killed, within=WITHIN)
            last = max(last, answer.at)
    wanted = f"at most {HEARTBEATS} heartbeats"
    return [
        Figure("failover", last - killed.at, "s", f"a heartbeat; {BOARDS} boards", INTERVAL, wanted,
               lambda _, ratio: ratio <= HEARTBEATS)
    ]  # fmt: skip
