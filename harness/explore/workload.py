"""The life of an explored stack beside the faults: boards enroll, and a user deploys, stops and deletes.

A user who acts right after a fault began meets the platform while it has not recovered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import TypeVar

from harness.boards.board import Power
from harness.core.history import Event, Kind
from harness.core.identifiers import Randomness
from harness.explore.life import WITHOUT_DEVICE, Life
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.options import SEED
from harness.wasmbed.resources.api import ApiError

__all__ = ["live"]

MODULES = ("hello", "hello_again", "idle", "thermometer")
"""Modules that run until they are stopped, and cost little: none acts more than once a second."""
STEPS = 6
"""A user's steps, at most."""
APPLICATIONS = 3
"""Applications at the same time; a board has room for more."""
PAUSES = (0.0, 0.0, 0.02, 0.5, 3.0, 12.0)
"""Seconds from a fault to the user's next step, and from one step to the next."""
T = TypeVar("T")
PLACES = ("north", "south")
"""The values of the devices' label; an application may be for the devices of one."""


async def live(stack: Stack, *, boards: int, seconds: float, acts: int = 0, managers: int = 1) -> None:
    """Lead the life of some boards for that long, which follows from the stack's seed, and wait until all is well.

    ``acts``: the user's steps after the beginning of each fault. ``managers``: of the controllers; one leads.
    Raises ProductFailure or TimeoutError if the platform does not come to rest after the last fault.
    """
    life = Life(stack)
    randomness = Randomness(SEED if stack.options.seed is None else stack.options.seed).fork("workload")
    for number in range(2, managers + 1):
        await stack.make_controllers(f"controllers-{number}").start()
    user = _User(life, randomness)
    reaction = asyncio.create_task(_react(stack, user.beside(randomness.fork("acts")), acts)) if acts else None
    try:
        life.boards += await stack.boards.power_on(count=boards)
        await _lead(user, randomness, seconds)
    finally:
        if reaction is not None:
            async with user.acting:  # not in the middle of a step, which is then half expected
                reaction.cancel()
            await asyncio.wait([reaction])
    if reaction is not None and not reaction.cancelled():
        reaction.result()
    await life.settle()


async def _lead(user: _User, randomness: Randomness, seconds: float) -> None:
    clock, now = user.life.stack.clock, 0.0
    await user.step(user.deploy)
    for at in sorted(seconds * randomness.below(1_000) / 1_000 for _ in range(1 + randomness.below(STEPS))):
        await clock.sleep(at - now)
        now = at
        await user.any_step()
    await clock.sleep(seconds - now)


async def _react(stack: Stack, user: _User, acts: int) -> None:
    """Take that many steps after each fault, until it is cancelled."""
    faults = asyncio.Queue[None]()

    def see(event: Event) -> None:
        if event.kind is Kind.NOTE and event.name == "fault":
            faults.put_nowait(None)

    forget = stack.history.listen(see)
    try:
        while True:
            await faults.get()
            for _ in range(acts):
                await stack.clock.sleep(user.one_of(PAUSES))
                await user.act()
    finally:
        forget()


class _User:
    """Takes steps without waiting for their effects."""

    def __init__(self, life: Life, randomness: Randomness) -> None:
        self.life, self._randomness = life, randomness
        self._applications: dict[ApplicationHandle, tuple[str, ...]] = {}
        """Those that exist, and the phases that are right for one once it was started."""
        self.acting = asyncio.Lock()

    def beside(self, randomness: Randomness) -> _User:
        """Another one with the same applications. They take one step after the other."""
        other = copy(self)
        other._randomness = randomness
        return other

    def one_of(self, values: Sequence[T]) -> T:
        return values[self._randomness.below(len(values))]

    async def act(self) -> None:
        """A step that may concern boards and devices, too."""
        own = (self.deploy, self.deploy_to_some, self.stop, self.start, self.redeploy, self.delete)
        await self.step(self.one_of((*own, self.relabel, self.replace, self.power)))

    async def any_step(self) -> None:
        steps = (self.deploy, self.stop, self.stop, self.start, self.redeploy, self.delete)
        await self.step(steps[self._randomness.below(len(steps))])

    async def step(self, step: Callable[[], Awaitable[object]]) -> None:
        try:
            async with self.acting:
                await step()
        except ApiError as error:
            if error.code < 500 and error.code not in (404, 409):  # gone, or changed meanwhile
                raise

    async def deploy(self) -> None:
        if len(self._applications) >= APPLICATIONS:
            return
        boards = self.life.boards
        if not boards:
            return
        chosen = self._randomness.below(2 * len(boards))  # half of them are for all boards
        module = MODULES[self._randomness.below(len(MODULES))]
        self._keep(await self.life.stack.deploy(module, to=boards[chosen] if chosen < len(boards) else "all"))

    async def deploy_to_some(self) -> None:
        if len(self._applications) < APPLICATIONS and self.life.boards:
            place = {"place": self.one_of(PLACES)}
            await self.life.stack.device(self.one_of(self.life.boards)).label(**place)
            self._keep(await self.life.stack.deploy(self.one_of(MODULES), to=place), WITHOUT_DEVICE)

    def _keep(self, application: ApplicationHandle, *other: str) -> None:
        phases = self._applications[application] = ("Running", *other)
        self.life.applications[application.name] = phases

    async def stop(self) -> None:
        if (application := self._chosen()) is not None:
            await application.stop()
            self.life.applications[application.name] = ("Stopped",)

    async def start(self) -> None:
        if (application := self._chosen()) is not None:
            await application.start()
            self.life.applications[application.name] = self._applications[application]

    async def redeploy(self) -> None:
        if (application := self._chosen()) is not None:
            await application.redeploy(self.life.stack.modules(MODULES[self._randomness.below(len(MODULES))]))

    async def delete(self) -> None:
        if (application := self._chosen()) is not None:
            del self._applications[application]
            await application.delete()
            self.life.applications[application.name] = ()

    async def relabel(self) -> None:
        if self.life.boards:
            await self.life.stack.device(self.one_of(self.life.boards)).label(place=self.one_of(PLACES))

    async def replace(self) -> None:
        """Delete a Device; its board enrolls again."""
        if self.life.boards:
            await self.life.stack.device(self.one_of(self.life.boards)).delete()

    async def power(self) -> None:
        """Cut a board's power, or switch it on again."""
        if self.life.boards:
            board = self.one_of(self.life.boards)
            await (board.cut_power() if board.power is Power.ON else board.power_on())

    def _chosen(self) -> ApplicationHandle | None:
        there = list(self._applications)
        return there[self._randomness.below(len(there))] if there else None
