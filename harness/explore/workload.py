"""The life of an explored stack beside the faults: boards enroll, and a user deploys, stops and deletes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from harness.core.identifiers import Randomness
from harness.explore.life import Life
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


async def live(stack: Stack, *, boards: int, seconds: float) -> None:
    """Lead the life of some boards for that long, which follows from the stack's seed, and wait until all is well.

    Raises ProductFailure or TimeoutError if the platform does not come to rest after the last fault.
    """
    life = Life(stack)
    randomness = Randomness(SEED if stack.options.seed is None else stack.options.seed).fork("workload")
    life.boards += await stack.boards.power_on(count=boards)
    user = _User(life, randomness)
    now = 0.0
    await user.step(user.deploy)
    for at in sorted(seconds * randomness.below(1_000) / 1_000 for _ in range(1 + randomness.below(STEPS))):
        await stack.clock.sleep(at - now)
        now = at
        await user.any_step()
    await stack.clock.sleep(seconds - now)
    await life.settle()


class _User:
    """Takes steps without waiting for their effects."""

    def __init__(self, life: Life, randomness: Randomness) -> None:
        self._life, self._randomness = life, randomness
        self._applications: list[ApplicationHandle] = []

    async def any_step(self) -> None:
        steps = (self.deploy, self.stop, self.stop, self.start, self.redeploy, self.delete)
        await self.step(steps[self._randomness.below(len(steps))])

    async def step(self, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except ApiError as error:
            if error.code < 500 and error.code not in (404, 409):  # gone, or changed meanwhile
                raise

    async def deploy(self) -> None:
        if len(self._applications) >= APPLICATIONS:
            return
        boards = self._life.boards
        chosen = self._randomness.below(2 * len(boards))  # half of them are for all boards
        application = await self._life.stack.deploy(
            MODULES[self._randomness.below(len(MODULES))], to=boards[chosen] if chosen < len(boards) else "all"
        )
        self._applications.append(application)
        self._life.applications[application.name] = ("Running",)

    async def stop(self) -> None:
        if (application := self._chosen()) is not None:
            await application.stop()
            self._life.applications[application.name] = ("Stopped",)

    async def start(self) -> None:
        if (application := self._chosen()) is not None:
            await application.start()
            self._life.applications[application.name] = ("Running",)

    async def redeploy(self) -> None:
        if (application := self._chosen()) is not None:
            await application.redeploy(self._life.stack.modules(MODULES[self._randomness.below(len(MODULES))]))

    async def delete(self) -> None:
        if (application := self._chosen()) is not None:
            self._applications.remove(application)
            await application.delete()
            self._life.applications[application.name] = ()

    def _chosen(self) -> ApplicationHandle | None:
        there = self._applications
        return there[self._randomness.below(len(there))] if there else None
