"""The life of an explored stack beside the faults: boards enroll, and a user takes the steps of a case.

A user who acts right after a fault began meets the platform while it has not recovered.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from harness.boards.board import Board, Power
from harness.core.history import Event, Kind
from harness.explore.acts import Act
from harness.explore.life import WITHOUT_DEVICE, Life
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.modules import padded
from harness.wasmbed.resources.api import ApiError

__all__ = ["APPLICATIONS", "MODULES", "live"]

LARGE, BREAKS = "large", "breaks_later"
MODULES = ("hello", "hello_again", "idle", "thermometer", LARGE, BREAKS)
"""Modules that are deployed. All cost little, and run until they are stopped; the last one breaks after a while."""
LARGE_SIZE = 24_000
"""Bytes of a module with more chunks than a gateway sends ahead."""
APPLICATIONS = 6
"""Applications at the same time; a board has room for more."""
PLACES = ("north", "south")
"""The values of the devices' label; an application may be for the devices of one."""


async def live(stack: Stack, *, boards: int, seconds: float, acts: Sequence[Act] = (), managers: int = 1) -> None:
    """Lead the life of some boards for that long, and wait until all is well.

    ``acts``: the user's steps. Those after a fault that has not begun by then are left out. ``managers``: of the
    controllers; one leads. Raises ProductFailure if the platform does not come to rest after the last fault.
    """
    life = Life(stack)
    for number in range(2, managers + 1):
        await stack.make_controllers(f"controllers-{number}").start()
    begun, faults = defaultdict[int, asyncio.Event](asyncio.Event), 0

    def see(event: Event) -> None:
        nonlocal faults
        if event.kind is Kind.NOTE and event.name == "fault":
            faults += 1
            begun[faults].set()

    forget = stack.history.listen(see)
    try:
        life.boards += await stack.boards.power_on(count=boards)
        begun[0].set()
        user = _User(life)
        async with asyncio.TaskGroup() as steps:
            tasks = [(act, steps.create_task(user.take(act, begun[act.after]))) for act in acts]
            await stack.clock.sleep(seconds)
            for act, task in tasks:
                if not begun[act.after].is_set():
                    task.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        forget()
    await life.settle()


class _User:
    """Takes steps, one at a time, without waiting for their effects."""

    def __init__(self, life: Life) -> None:
        self._life, self._stack = life, life.stack
        self._applications: dict[ApplicationHandle, tuple[str, tuple[str, ...]]] = {}
        """Those that exist: the module, and the phases besides its own that are right once it was started."""
        self._acting = asyncio.Lock()

    async def take(self, act: Act, begun: asyncio.Event) -> None:
        await begun.wait()
        await self._stack.clock.sleep(act.at)
        try:
            async with self._acting:
                await self._take(act)
        except ApiError as error:
            if error.code < 500 and error.code not in (404, 409):  # gone, or changed meanwhile
                raise

    async def _take(self, act: Act) -> None:
        match act.what:
            case "deploy" | "deploy-to-place":
                if len(self._applications) < APPLICATIONS:
                    await self._deploy(act)
            case "stop" | "start" | "redeploy" | "delete":
                if there := list(self._applications):
                    await self._change(there[act.which % len(there)], act)
            case _:
                await self._touch(self._life.boards[act.which % len(self._life.boards)], act)

    async def _deploy(self, act: Act) -> None:
        module, boards = self._module(act.module), self._life.boards
        if act.what == "deploy":
            chosen = act.which % (len(boards) + 1)
            application = await self._stack.deploy(module, to=boards[chosen] if chosen < len(boards) else "all")
            self._applications[application] = act.module, ()
        else:
            place = {"place": PLACES[act.which % len(PLACES)]}
            await self._stack.device(boards[act.which % len(boards)]).label(**place)
            application = await self._stack.deploy(module, to=place)
            self._applications[application] = act.module, (WITHOUT_DEVICE,)
        self._is_started(application)

    async def _change(self, application: ApplicationHandle, act: Act) -> None:
        match act.what:
            case "stop":
                await application.stop()
                self._life.applications[application.name] = ("Stopped",)
            case "start":
                await application.start()
                self._is_started(application)
            case "redeploy":
                await application.redeploy(self._stack.modules.load(self._module(act.module)))
                was_stopped = self._life.applications[application.name] == ("Stopped",)
                self._applications[application] = act.module, self._applications[application][1]
                if not was_stopped:
                    self._is_started(application)
            case "delete":
                del self._applications[application]
                await application.delete()
                self._life.applications[application.name] = ()

    async def _touch(self, board: Board, act: Act) -> None:
        match act.what:
            case "relabel":
                await self._stack.device(board).label(place=PLACES[act.which // 2 % len(PLACES)])
            case "replace":
                await self._stack.device(board).delete()
            case "power":
                await (board.cut_power() if board.power is Power.ON else board.power_on())

    def _is_started(self, application: ApplicationHandle) -> None:
        module, others = self._applications[application]
        self._life.applications[application.name] = ("Error" if module == BREAKS else "Running", *others)

    def _module(self, name: str) -> str | bytes:
        return padded(self._stack.modules("idle"), LARGE_SIZE) if name == LARGE else name
