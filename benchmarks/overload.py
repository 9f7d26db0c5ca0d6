"""``enroll_goodput``: devices enrolled in a second of the platform's own processor time, when ten times as many come.

All boards are switched on at the same moment. The platform - API server, gateway, controllers - has a process of its
own, which tells its processor time; the boards live in this one. So the figure is what the platform makes of its time,
however busy the machine is, and work that comes to nothing shows in it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from time import process_time

import uvloop

from benchmarks.child import Child, asked, child
from benchmarks.figure import Figure, middle
from benchmarks.world import make_boards, platform
from harness.boards.board import Board, BoardEnvironment
from harness.boards.virtual import VirtualTier
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, SystemNetwork
from harness.wasmbed.pki.authority import Authority

FEW, MANY = 300, 3000
ROUNDS = 3


async def serve(folder: Path) -> None:
    """The platform's process: tells where its gateway is; for each ``PREFIX COUNT`` that it is asked, waits until those
    devices are Connected and tells the seconds of processor time that passed."""
    async with platform() as running:
        running.servers.save(folder / "servers")
        running.devices.save(folder / "devices")
        print(json.dumps(running.gateway.endpoint), flush=True)
        async for question in asked():
            prefix, _, count = question.partition(" ")
            before = process_time()
            await running.all_connected({f"{prefix}-{number}" for number in range(int(count))})
            print(process_time() - before, flush=True)


async def goodput(platform: Child, boards: list[Board], prefix: str) -> float:
    """Devices a second of the platform's processor time, from power-on of all boards to Connected in the cluster."""
    platform.ask(f"{prefix} {len(boards)}")
    for board in boards:
        await board.power_on()
    seconds = float(await platform.answer())
    await asyncio.gather(*(board.cut_power() for board in boards))
    return len(boards) / seconds


async def one_round() -> tuple[float, float]:
    """The goodput of many and of few, at one platform."""
    world, tier = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness()), VirtualTier()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with child("benchmarks.overload", name) as platform:
            host, port = json.loads(await platform.answer())
            gateway: Endpoint = (host, port)
            servers, devices = (Authority.load(folder / role, world.clock) for role in ("servers", "devices"))

            async def measured(count: int, prefix: str) -> float:
                boards = make_boards(count, prefix, gateway, servers, devices, tier, world)
                return await goodput(platform, boards, prefix)

            await measured(FEW, "warm-up")
            few = await measured(FEW, "few")
            many = await measured(MANY, "many")
    await tier.close()
    return many, few


async def measure() -> list[Figure]:
    many, few = middle([await one_round() for _ in range(ROUNDS)])
    return [
        Figure(
            "enroll_goodput",
            many,
            "devices/CPU s",
            f"{FEW} boards at once instead of {MANY}",
            few,
            "at least 0.9 of the peer",
            lambda _, ratio: ratio >= 0.9,
        )
    ]


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
