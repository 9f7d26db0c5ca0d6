"""One application on a virtual board, from the complete module to its end: loading, running, failing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from harness.boards.virtual.guest import Fault, Guest, NotLoadable
from harness.boards.virtual.host import HostInterface
from harness.boards.virtual.peripherals import Peripherals
from harness.boards.virtual.reception import Reception
from harness.boards.virtual.runtime import Runtime
from harness.core.clock import Clock
from harness.wasmbed.protocol.messages import (
    CANCELLED,
    ApplicationState,
    ApplicationStatus,
    Deploy,
    DeploymentResult,
    DeviceMessage,
    RuntimeFault,
)
from harness.wasmbed.runtime.interface import TICK_EXPORT, LogLevel

__all__ = ["BoardApplication", "BoardServices", "Send"]


class Send(Protocol):
    """Sends a message to the gateway, as the reply to ``message_id`` if given; False: there is no session."""

    def __call__(self, message: DeviceMessage, message_id: int | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class BoardServices:
    """The parts of its board that an application uses. ``memory`` is the most memory of one application, bytes."""

    runtime: Runtime
    clock: Clock
    send: Send
    drain: Callable[[], Awaitable[None]]
    """Waits while the gateway accepts less than is sent."""
    say: Callable[[str, LogLevel], object]
    uptime_ms: Callable[[], int]
    memory: int
    has_memory: Callable[[], bool]
    """Whether there is memory for another application."""
    peripherals: Peripherals


class BoardApplication:
    """Its states are receiving, deployed, running, and failed or error. The board removes a stopped application."""

    __slots__ = ("_board", "_guest", "_task", "busy", "deploy", "error", "message_id", "reception", "state", "unsent")

    def __init__(self, board: BoardServices, deploy: Deploy, message_id: int) -> None:
        self._board = board
        self._guest: Guest | None = None
        self._task: asyncio.Task[None] | None = None
        self.deploy = deploy
        self.message_id: int | None = message_id
        """The id of the announcement, as long as its link is there: no other link knows it."""
        self.state = ApplicationState.RECEIVING
        self.reception: Reception | None = None
        self.busy = False
        """Whether it is being loaded or called."""
        self.error: str | None = None
        self.unsent: RuntimeFault | None = None
        """A fault that was not reported because the link was down."""

    @property
    def name(self) -> str:
        return self.deploy.application_id

    @property
    def memory_bytes(self) -> int:
        """The board's memory that it holds, bytes."""
        held = self._guest.memory_bytes if self._guest is not None else 0
        return held + (self.reception.held if self.reception is not None else 0)

    def start(self, module: bytes) -> None:
        """Load ``module`` and run it, in a new task."""
        self.reception = None
        self._task = asyncio.get_running_loop().create_task(self._live(module), name=f"application {self.name}")

    def refuse(self, code: str, message: str) -> None:
        """Report that the deployment failed."""
        self.reception = None
        self.state, self.error = ApplicationState.FAILED, message
        self.say(f"refused: {code}: {message}", LogLevel.ERROR)
        self._answer(DeploymentResult(self.name, ok=False, error=message, code=code))

    def link_lost(self) -> None:
        """Forget the announcement: the next heartbeats and reports show what came of it."""
        self.message_id = None

    def status(self, message_id: int | None = None) -> None:
        """Report state, resource use, and the publications since the last report."""
        guest = self._guest
        publications = tuple(guest.host.publications) if guest is not None else ()
        metrics = dict(guest.metrics) if guest is not None else {}
        status = ApplicationStatus(self.name, self.state, metrics, self.error, publications or None)
        if self._board.send(status, message_id) and guest is not None:
            del guest.host.publications[: len(publications)]

    def report_unsent(self) -> None:
        """Report what happened while there was no session."""
        if self.unsent is not None:
            fault, self.unsent = self.unsent, None
            self._report(fault)
        elif self._guest is not None and self._guest.host.publications:
            self.status()

    async def stop(self) -> None:
        """End its task and free its memory. A deployment that was not answered is answered as cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._free()
        self.reception = None
        if self.state is ApplicationState.RECEIVING:
            reason = "cancelled before the module was started"
            self._answer(DeploymentResult(self.name, ok=False, error=reason, code=CANCELLED))
        self.state = ApplicationState.STOPPED

    def say(self, text: str, level: LogLevel = LogLevel.INFO) -> None:
        self._board.say(f"app {self.name}: {text}", level)

    async def _live(self, module: bytes) -> None:
        board = self._board
        host = HostInterface(board.uptime_ms, self.deploy.arguments, self.deploy.environment, board.peripherals)
        self._guest = guest = Guest(board.runtime.worker(), host, self.deploy.limits, board.clock, board.memory)
        try:
            if await self._load(guest, module):
                del module
                await self._run(guest)
        finally:
            self.busy = False

    async def _load(self, guest: Guest, module: bytes) -> bool:
        """Load the module and answer the deployment; False: it was refused."""
        self.busy = True
        try:
            await guest.load(module, self.deploy.sha256, self.deploy.entry)
        except NotLoadable as error:
            self._free()
            self.refuse(error.code, error.reason)
            return False
        except Fault as fault:
            self._take_output()
            self._free()
            self.refuse(fault.code, fault.message)
            return False
        self.state = ApplicationState.DEPLOYED
        self.say(f"deployed, {guest.memory_bytes} bytes of memory")
        self._answer(DeploymentResult(self.name, ok=True, metrics=guest.metrics))
        return True

    async def _run(self, guest: Guest) -> None:
        """Call the entry, then ``tick`` as long as the module asks for it."""
        try:
            await self._call(guest, self.deploy.entry)
            self.state = ApplicationState.RUNNING
            self.say("running")
            self.status()
            while guest.has_tick and (delay := await self._tick(guest)) > 0:
                await self._board.clock.sleep(delay / 1000)
        except Fault as fault:
            self.state, self.error = ApplicationState.ERROR, f"{fault.code}: {fault.message}"
            self.say(f"fault {self.error}", LogLevel.ERROR)
            self._free()
            self._report(RuntimeFault(self.name, fault.code, fault.message, fault.backtrace, fault.use))

    async def _tick(self, guest: Guest) -> int:
        """Call ``tick`` and send what it published. Returns the milliseconds until the next call; 0 or less: never."""
        delay = await self._call(guest, TICK_EXPORT)
        if guest.host.publications:
            self.status()
            await self._board.drain()
        return delay or 0

    async def _call(self, guest: Guest, function: str) -> int | None:
        self.busy = True
        try:
            return await guest.call(function)
        finally:
            self.busy = False
            self._take_output()

    def _take_output(self) -> None:
        if self._guest is None:
            return
        host = self._guest.host
        for level, text in host.lines:
            self.say(f"[{level.name.lower()}] {text}", level)
        if host.dropped_lines:
            self.say(f"{host.dropped_lines} more lines of one call were dropped", LogLevel.WARNING)
        host.lines.clear()
        host.dropped_lines = 0

    def _answer(self, result: DeploymentResult) -> None:
        if self.message_id is not None:
            self._board.send(result, self.message_id)

    def _report(self, fault: RuntimeFault) -> None:
        if not self._board.send(fault):
            self.unsent = fault

    def _free(self) -> None:
        if self._guest is not None:
            self._guest.close()
            self._guest = None
