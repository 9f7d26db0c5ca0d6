"""One random run of a sound platform: what happens in it follows from its seed, when it happens from the machine, or
on simulated boards from the seed as well.

Boards, gateways, applications, faults of links, power and the API server, and the order of watch events are drawn.
Everything that was broken is mended at the end, so that the platform has to be whole again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from harness.boards.board import Board, Power
from harness.clusters.watch_times import WatchTimes
from harness.core.identifiers import Randomness
from harness.core.loop import give_way
from harness.stack import Stack, StackOptions
from harness.stack.applications import ApplicationHandle
from harness.stack.gateways import GatewayControl
from harness.stack.modules import padded
from harness.stack.options import ORDERS
from harness.wasmbed.resources.api import ApiError, Object
from harness.wasmbed.resources.views import Application

__all__ = ["Run", "options"]

IN_PYTHON = ("virtual", "sim")
"""Boards that cost so little that a run may have many."""

MODULES = ("hello", "hello_again", "idle", "echo", "blink", "thermometer", "trap", "missing_import", "average")
CLIENTS = ("Gateway", "DeviceController", "ApplicationController", "GatewayController")
VERBS = ("get", "list", "create", "patch", "patch_status", "delete", "replace")
KINDS = ("Device", "Application", "Gateway", "Lease", None)
CODES = (None, 409, 410, 429, 500, 503, 504)
SITES = ("roof", "cellar")
WHOLE_AGAIN = 120.0
"""Seconds in which a platform has to be whole again: a slow machine is not judged by it, a stuck platform is found."""
ALL_DAY = 1e5
"""The limit of a run: its own waits end before."""
FINAL = frozenset({"Running", "PartiallyRunning", "Failed", "Error", "Stopped"})


T = TypeVar("T")


class Draw:
    """Random choices that follow from a seed and a purpose."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._randomness = Randomness(seed).fork(purpose)

    def below(self, end: int) -> int:
        """A number from 0 on."""
        return int.from_bytes(self._randomness.bytes(8), "big") % end

    def choice(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def happens(self, share: float) -> bool:
        """True in that share of all cases."""
        return self.below(1_000_000) < 1_000_000 * share


def options(seed: int, boards: str = "virtual") -> StackOptions:
    """The options of the run of a seed."""
    draw = Draw(seed, "options")
    process = boards == "virtual" and draw.happens(0.05)
    cheap = boards in IN_PYTHON
    return StackOptions(
        boards=boards,
        seed=seed,
        gateway="process" if process else "reference",
        heartbeat=draw.choice((0.3, 1.0, 5.0, 30.0, *(30.0,) * 3 * (boards == "sim"))) if cheap else 5.0,
        beat=draw.choice((0.3, 1.0, 5.0)),
        watches=draw.choice(tuple(WatchTimes)),
        schedule_order=draw.choice(ORDERS) if boards == "sim" else "fifo",
        deadline=ALL_DAY,
    )


class Run:
    """The run of a seed on a stack that has started. ``devices`` is how many it had."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self._stack, self._draw = stack, Draw(seed, "run")
        self._gateways: list[GatewayControl] = [stack.gateway]
        self._boards: list[Board] = []
        self._applications: dict[str, ApplicationHandle] = {}
        self._faults: list[ExitStack] = []
        self.devices = 0

    async def play(self) -> None:
        """Everything that happens."""
        virtual = self._stack.options.boards in IN_PYTHON
        if virtual and self._draw.happens(0.2) and self._stack.options.gateway == "reference":
            self._gateways.append(await self._stack.add_gateway("second"))
        await self._more(self._draw.choice((1, 2, 5, 12, 40, 40)) if virtual else 2)
        if self._draw.happens(0.7):
            await self._until_connected()
        steps = 20 + self._draw.below(60) if self._stack.options.simulated else 2 + self._draw.below(13)
        for _ in range(steps):
            step, waits = self._draw.choice(self._steps), self._draw.happens(0.5)
            await self._try(step)
            if waits:
                await self._stack.clock.sleep(self._draw.choice((0.01, 0.1, 0.4, 1.0)))
        await self._mend()
        await self._until_whole()

    @property
    def _steps(self) -> tuple[Callable[[], Awaitable[object]], ...]:
        boards = (self._cut_link, self._restore_link, self._cut_power, self._power_on, self._reset, self._label)
        applications = (self._deploy, self._deploy, self._deploy, self._redeploy, self._stop, self._start, self._delete)
        platform = (self._fail, self._fail, self._unfail, self._break_watches, self._gateway, self._busy, self._another)
        if self._stack.options.simulated:  # links and enrollments cost less there than deployments
            return (*boards, *boards, *applications, *platform, self._gateway, self._forget, self._another)
        return (*boards, *applications, *applications, *platform)

    async def _try(self, step: Callable[[], Awaitable[object]]) -> None:
        """Take a step. The test's own requests may meet the fault that it makes."""
        try:
            await step()
        except (ApiError, OSError):
            await give_way()

    async def _more(self, count: int) -> None:
        self._stack.boards.gateway = self._draw.choice(self._gateways).endpoint
        self._boards += await self._stack.boards.power_on(count=count)
        self.devices += count

    async def _another(self) -> None:
        if self._stack.options.boards in IN_PYTHON:
            await self._more(1)

    async def _cut_link(self) -> None:
        await self._draw.choice(self._boards).cut_link()

    async def _restore_link(self) -> None:
        await self._draw.choice(self._boards).restore_link()

    async def _cut_power(self) -> None:
        board = self._draw.choice(self._boards)
        if board.power is Power.ON:
            await board.cut_power()

    async def _power_on(self) -> None:
        board = self._draw.choice(self._boards)
        if board.power is not Power.ON:
            await board.power_on()

    async def _reset(self) -> None:
        board = self._draw.choice(self._boards)
        if board.power is Power.ON:
            await board.reset()

    async def _label(self) -> None:
        device = self._stack.device(self._draw.choice(self._boards))
        if device.exists:
            await device.label(site=self._draw.choice(SITES))

    async def _forget(self) -> None:
        """Delete a Device: the board enrolls again."""
        device = self._stack.device(self._draw.choice(self._boards))
        if device.exists:
            await device.delete()

    async def _deploy(self) -> None:
        few = [self._draw.choice(self._boards)] * (3 if self._stack.options.simulated else 1)
        targets: Any = self._draw.choice(("all", {"site": self._draw.choice(SITES)}, *few))
        names = 12 if self._stack.options.simulated else 4
        name = f"app-{self._draw.below(names)}"  # now and then one that there is already, or was
        self._applications[name] = self._stack.application(name)
        await self._stack.deploy(self._module(), to=targets, name=name)

    def _module(self) -> bytes:
        module = self._stack.modules(self._draw.choice(MODULES))
        sizes = (0, 0, 0, 0, 0, 5_000, 5_000, 60_000) if self._stack.options.simulated else (0, 0, 5_000, 60_000)
        return padded(module, self._draw.choice(sizes))

    async def _redeploy(self) -> None:
        for application in self._chosen():
            await application.redeploy(self._module())

    async def _stop(self) -> None:
        for application in self._chosen():
            await application.stop()

    async def _start(self) -> None:
        for application in self._chosen():
            await application.start()

    async def _delete(self) -> None:
        for application in self._chosen():
            await application.delete()

    def _chosen(self) -> list[ApplicationHandle]:
        there = [each for each in self._applications.values() if each.exists]
        return [self._draw.choice(there)] if there else []

    async def _fail(self) -> None:
        """Requests of the platform fail, a few of them or until a later step."""
        client, kind = self._draw.choice(CLIENTS), self._draw.choice(KINDS)
        verbs = {self._draw.choice(VERBS) for _ in range(3)}
        code, times = self._draw.choice(CODES), self._draw.choice((1, 2, 5, None))
        fault = ExitStack()
        fault.enter_context(self._stack.api_faults.failing(*verbs, client=client, kind=kind, code=code, times=times))
        self._faults.append(fault)

    async def _unfail(self) -> None:
        for fault in self._faults:
            fault.close()
        self._faults.clear()

    async def _break_watches(self) -> None:
        self._stack.api_faults.break_watches(client=self._draw.choice(CLIENTS), code=self._draw.choice((0, 410, 500)))

    async def _gateway(self) -> None:
        gateway = self._draw.choice(self._gateways)
        await self._unfail()  # a gateway cannot begin without the API server
        if not gateway.running:
            await gateway.start()
        elif self._draw.happens(0.4):
            await gateway.kill()
        elif self._draw.happens(0.5):
            await gateway.stop()
        else:
            await gateway.restart()

    async def _busy(self) -> None:
        """The machine has something else to do: nothing of this process runs meanwhile."""
        work = self._draw.choice((10_000, 1_000_000, 10_000_000))
        if not self._stack.options.simulated:
            sum(range(work))

    async def _mend(self) -> None:
        await self._unfail()
        for gateway in self._gateways:
            if not gateway.running:
                await gateway.start()
        for board in self._boards:
            await board.restore_link()
            if board.power is not Power.ON:
                await board.power_on()

    async def _until_whole(self) -> None:
        await self._until_connected()
        for application in self._applications.values():
            await application.wait(_is_settled, "a final phase, or gone", WHOLE_AGAIN)

    async def _until_connected(self) -> None:
        for board in self._boards:
            await self._stack.device(board).until(phase="Connected", within=WHOLE_AGAIN)


def _is_settled(application: Object | None) -> bool:
    status = Application(application or {}).status
    return application is None or status.phase in FINAL or status.statistics.target == 0
