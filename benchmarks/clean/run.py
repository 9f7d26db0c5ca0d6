"""One random run of a sound platform: what happens in it follows from its recipe and seed, when it happens from the
machine, or on simulated boards from the seed as well.

Boards, gateways, applications, faults of links, power and the API server, and the order of watch events are drawn.
Everything that was broken is mended at the end, so that the platform has to be whole again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.clean.peers import visit
from benchmarks.clean.recipes import IN_PYTHON, RECIPES, Draw
from harness.boards.board import Board, Power
from harness.core.loop import give_way
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.board_options import BoardOptions
from harness.stack.gateways import GatewayControl
from harness.stack.modules import padded
from harness.wasmbed.resources.api import ApiError, Object
from harness.wasmbed.resources.views import Application

__all__ = ["Run"]

MODULES = ("hello", "hello_again", "idle", "echo", "blink", "thermometer", "trap", "missing_import", "average")
CLIENTS = ("Gateway", "DeviceController", "ApplicationController", "GatewayController")
VERBS = ("get", "list", "create", "patch", "patch_status", "delete", "replace")
KINDS = ("Device", "Application", "Gateway", "Lease", None)
CODES = (None, 409, 410, 429, 500, 503, 504)
SITES = ("roof", "cellar")
STRANGERS: tuple[BoardOptions, ...] = ({"certificate": "expired"}, {"device_type": "toaster"})
REAL_STEPS = (
    dict.fromkeys(("cut_link", "restore_link", "cut_power", "power_on", "reset", "label"), 1)
    | {"deploy": 6, "redeploy": 2, "stop": 2, "start": 2, "delete": 2}
    | {"fail": 2, "unfail": 1, "break_watches": 1, "gateway": 1, "busy": 1, "another": 1}
)
"""Those of boards that are not simulated: deployments cost less there than links and enrollments."""
WHOLE_AGAIN = 120.0
"""Seconds in which a platform has to be whole again: a slow machine is not judged by it, a stuck platform is found."""
FINAL = frozenset({"Running", "PartiallyRunning", "Failed", "Error", "Stopped"})


class Run:
    """The run of a seed on a stack that has started. ``devices`` is how many it had."""

    def __init__(self, stack: Stack, seed: int, recipe: str = "mixed") -> None:
        self._stack, self._draw, self._recipe = stack, Draw(seed, "run"), RECIPES[recipe]
        steps = self._recipe.steps if stack.options.simulated else REAL_STEPS
        self._steps = [getattr(self, f"_{name}") for name, times in steps.items() for _ in range(times)]
        self._gateways: list[GatewayControl] = [stack.gateway]
        self._boards: list[Board] = []
        self._strangers: list[Board] = []
        self._by_hand: list[str] = []
        self._applications: dict[str, ApplicationHandle] = {}
        self._faults: list[ExitStack] = []
        self.devices = 0

    async def play(self) -> None:
        """Everything that happens."""
        virtual = self._stack.options.boards in IN_PYTHON
        if virtual and self._draw.happens(0.2) and self._stack.options.gateway == "reference":
            self._gateways.append(await self._stack.add_gateway("second"))
        await self._more(self._draw.choice(self._recipe.boards) if virtual else 2)
        if self._draw.happens(0.7):
            await self._until_connected()
        least, most = self._recipe.length if self._stack.options.simulated else (2, 15)
        for _ in range(least + self._draw.below(most - least)):
            await self._try(self._draw.choice(self._steps))
            if wait := self._draw.choice(self._recipe.waits):
                await self._stack.clock.sleep(wait)
        await self._mend()
        await self._until_whole()

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

    async def _several(self) -> None:
        await self._more(2 + self._draw.below(8))

    async def _stranger(self) -> None:
        """A board that is refused, and tries again until the end."""
        self._stack.boards.gateway = self._draw.choice(self._gateways).endpoint
        options: BoardOptions = self._draw.choice(STRANGERS)
        self._strangers.append(await self._stack.boards.power_on(**options))

    async def _peers(self) -> None:
        """Devices that are driven by hand, one after the other."""
        endpoint = self._draw.choice(self._gateways).endpoint
        for _ in range(1 + self._draw.below(8)):
            self.devices += 1
            self._by_hand.append(f"peer-{self.devices}")
            await visit(self._stack, self._by_hand[-1], endpoint, self._draw)

    def _some(self) -> list[Board]:
        """One board, or now and then a third of them."""
        if not self._draw.happens(self._recipe.many):
            return [self._draw.choice(self._boards)]
        return [board for board in self._boards if self._draw.happens(1 / 3)]

    async def _cut_link(self) -> None:
        for board in self._some():
            await board.cut_link()

    async def _restore_link(self) -> None:
        for board in self._some():
            await board.restore_link()

    async def _cut_power(self) -> None:
        for board in self._some():
            if board.power is Power.ON:
                await board.cut_power()

    async def _power_on(self) -> None:
        for board in self._some():
            if board.power is not Power.ON:
                await board.power_on()

    async def _reset(self) -> None:
        for board in self._some():
            if board.power is Power.ON:
                await board.reset()

    async def _label(self) -> None:
        for board in self._some():
            if (device := self._stack.device(board)).exists:
                await device.label(site=self._draw.choice(SITES))

    async def _forget(self) -> None:
        """Delete Devices: the boards enroll again."""
        for board in self._some():
            if (device := self._stack.device(board)).exists:
                await device.delete()

    async def _deploy(self) -> None:
        targets: Any = self._draw.choice(self._boards)
        if self._draw.happens(self._recipe.to_all):
            targets = self._draw.choice(("all", {"site": self._draw.choice(SITES)}))
        name = f"app-{self._draw.below(self._recipe.names)}"  # now and then one that there is already, or was
        self._applications[name] = self._stack.application(name)
        await self._stack.deploy(self._module(), to=targets, name=name)

    def _module(self) -> bytes:
        module = self._stack.modules(self._draw.choice(MODULES))
        return padded(module, self._draw.choice(self._recipe.sizes))

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
        for board in self._strangers:
            await board.power_off()
        for name in self._by_hand:  # applications for all devices wait for those that are away
            if (device := self._stack.device(name)).exists:
                await device.delete()
        await self._until_connected()
        for application in self._applications.values():
            await application.wait(_is_settled, "a final phase, or gone", WHOLE_AGAIN)

    async def _until_connected(self) -> None:
        for board in self._boards:
            await self._stack.device(board).until(phase="Connected", within=WHOLE_AGAIN)


def _is_settled(application: Object | None) -> bool:
    status = Application(application or {}).status
    return application is None or status.phase in FINAL or status.statistics.target == 0
