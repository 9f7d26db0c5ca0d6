"""Acts of commands on the boards of a running ``wasmbed up``, by the stack, so that they are in its record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from harness.boards.board import Power
from harness.core.errors import UsageError, suggestion
from harness.platform.control import unknown_request

if TYPE_CHECKING:
    from harness.stack import Stack
    from harness.stack.board import RecordedBoard

__all__ = ["ACTS", "act_on_boards", "debug"]

Act = Callable[["Stack", "RecordedBoard", Mapping[str, Any]], Awaitable[str]]
"""Does it, and returns what is so now."""


async def _power_on(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    if board.power is not Power.ON:
        await board.power_on()
    return "on"


async def _power_off(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    if board.power is not Power.OFF:
        await board.power_off()
    return "off"


async def _cut_power(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    if board.power is not Power.OFF:
        await board.cut_power()
    return "off, cut"


async def _reset(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    if board.power is not Power.ON:
        raise UsageError("the board is off", where=board.name, do=f"wasmbed power on {board.name}")
    await board.reset()
    return "reset"


async def _cut_link(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    await board.cut_link()
    return "link cut"


async def _restore_link(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    await board.restore_link()
    stack.links.restore(board)
    return "link restored"


async def _delay_link(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    seconds = given.get("seconds")
    stack.links.disturb(board, delay=seconds)
    return f"link delayed by {seconds:g} s"


async def _set_sensor(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    channel, value = given["channel"], given["value"]
    await board.sensor(channel).set(value)
    return f"sensor {channel} reads {value:g}"


async def _release_sensor(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    await board.sensor(given["channel"]).release()
    return f"sensor {given['channel']} reads what the board makes"


async def _show_pins(stack: Stack, board: RecordedBoard, given: Mapping[str, Any]) -> str:
    return " ".join(map(str, sorted(await board.pins())))


ACTS: Mapping[str, Mapping[str, Act]] = {
    "power": {"on": _power_on, "off": _power_off, "cut": _cut_power, "reset": _reset},
    "link": {"cut": _cut_link, "restore": _restore_link, "delay": _delay_link},
    "sensor": {"set": _set_sensor, "release": _release_sensor},
    "pins": {"show": _show_pins},
}
"""By what is acted on, and the act."""


async def act_on_boards(stack: Stack, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Act on the boards that a request names, all at the same time; yields each with what is so now, as it comes.

    Raises UsageError before anything is done for a board that is not there, and the first error of the others when all
    have ended.
    """
    act = ACTS[request["do"]].get(str(request.get("act")))
    if act is None:
        raise unknown_request(request)
    boards = _named(stack, request.get("boards") or [])

    async def one(board: RecordedBoard) -> dict[str, Any]:
        return {"name": board.name, "is": await act(stack, board, request)}

    tasks = [asyncio.create_task(one(board)) for board in boards]
    try:
        failed: BaseException | None = None
        for each in asyncio.as_completed(tasks):
            try:
                yield await each
            except Exception as error:
                failed = failed or error
        if failed is not None:
            raise failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def debug(stack: Stack, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Let a debugger attach to a board until the connection of the request ends; yields where."""
    [board] = _named(stack, [str(request.get("board"))])
    async with board.debug_target() as target:
        yield {"name": board.name, "socket": str(target.socket), "image": str(target.image.resolve())}
        await asyncio.get_running_loop().create_future()


def _named(stack: Stack, names: list[str]) -> list[RecordedBoard]:
    """The boards of these names, or of the devices of these names; all of them for none."""
    boards = {board.name: board for board in stack.boards}
    devices = {board.device: board for board in stack.boards}
    if unknown := [name for name in names if name not in boards and name not in devices]:
        there = ", ".join([*boards][:20]) or "none"
        do = f"{''.join(suggestion(name, boards) for name in unknown)}the boards are: {there}"
        raise UsageError(f"there is no board {', '.join(map(repr, unknown))}", do=do)
    return [boards.get(name) or devices[name] for name in dict.fromkeys(names)] if names else [*boards.values()]
