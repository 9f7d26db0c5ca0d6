"""Nothing grows without bound: what a platform holds after a virtual day, in which much happened, is what it held after
some hours. What grew would grow for ever."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from harness.boards.board import Board
from harness.stack import Stack
from harness.stack.hosted import HostedStack
from harness.stack.leftovers import objects_of
from harness.stack.options import StackOptions
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, EVENT, GATEWAY, LEASE, SECRET

HOUR = 3600.0
BOARDS = 4
HELD = (APPLICATION, CONFIG_MAP, DEVICE, EVENT, GATEWAY, LEASE, SECRET)
BOUNDED = {
    "harness.clusters: Change": "the embedded server keeps some thousand changes of each type for watches",
    "harness.clusters: StoredObject": "as above: the versions before them",
    "harness.wasmbed: EventRecord": "the recorder of Events remembers 25 at most of an object, for some hours",
    "harness.wasmbed: Happening": "as above: what each of them says",
    "harness.wasmbed: ApplicationRecord": "a session remembers as many applications as a device may have",
}
"""The objects whose bound a day does not reach, and the bound."""
PARTS = ("harness.wasmbed", "harness.boards", "harness.gateways", "harness.clusters")


async def held(stack: Stack) -> Counter[str]:
    """Everything that could grow: resources, sessions, tasks, timers, sockets, watches, and objects by class."""
    found: Counter[str] = Counter()
    for resource in HELD:
        found[resource.kind] = len((await stack.api.list(resource)).items)
    found["sessions"] = len(await stack.gateway.sessions())
    loop = asyncio.get_running_loop()
    found["tasks"] = len(asyncio.all_tasks())
    found["timers"] = sum(not timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
    found["sockets"] = len(loop._selector.get_map())  # type: ignore[attr-defined]
    found["watches"] = len(stack.api_faults._watches)
    for part in PARTS:
        found.update({f"{part}: {name}": number for name, number in objects_of(part).items()})
    return found


async def an_hour(stack: Stack, boards: list[Board], number: int) -> None:
    """A board loses its power, another its link, an application comes and goes, and now and then the gateway is new."""
    await stack.clock.sleep(HOUR)
    board, other = boards[number % BOARDS], boards[(number + 1) % BOARDS]
    await board.cut_power()
    await board.power_on()
    await other.cut_link()
    await stack.clock.sleep(60)
    await other.restore_link()
    if number % 4 == 3:
        await stack.gateway.kill()
        await stack.gateway.start()
    for each in boards:
        await stack.device(each).until(phase="Connected", within=900)
    name = f"app-{number}"
    application = await stack.deploy("trap" if number % 3 else "hello", to=boards, name=name)
    await application.until(phase="Error" if number % 3 else "Running", within=900)
    await application.delete()
    await application.until_gone(within=900)


@pytest.mark.system
def test_nothing_grows_in_a_day() -> None:
    async def day(stack: Stack) -> None:
        boards = await stack.boards.power_on(count=BOARDS)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=60)
        await (await stack.deploy("thermometer", to=boards, name="stays")).until(phase="Running", within=60)
        for number in range(8):
            await an_hour(stack, boards, number)
        await stack.clock.sleep(HOUR)
        early = await held(stack)
        for number in range(8, 24):
            await an_hour(stack, boards, number)
        await stack.clock.sleep(HOUR)
        found = await held(stack)
        grown = {name: (early[name], late) for name, late in found.items() if late > early[name]}
        assert not grown.keys() - BOUNDED.keys(), grown

    options = StackOptions(boards="sim", deadline=1e6, heartbeat=300.0, beat=300.0)
    with HostedStack.opened(options, None) as hosted:
        hosted.run(day(hosted.stack))
        hosted.judge()


def test_a_gateway_that_has_ended_is_gone() -> None:
    """Nobody keeps it, not even the cache of aiohttp's middlewares, which outlives applications."""

    async def restarts(stack: Stack) -> None:
        for _ in range(3):
            await stack.gateway.sessions()
            await stack.gateway.kill()
            await stack.gateway.start()
        await stack.gateway.sessions()
        assert objects_of("harness.wasmbed.gateway")["HttpApi"] == 1

    with HostedStack.opened(StackOptions(boards="sim"), None) as hosted:
        hosted.run(restarts(hosted.stack))
