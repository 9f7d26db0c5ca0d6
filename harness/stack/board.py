"""A board of any tier, with each action on it recorded in the history."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from harness.boards.board import Board, Credentials, Power
from harness.boards.bridge import Counters
from harness.boards.gdb import DebugTarget, GdbStub
from harness.boards.usage import Usage
from harness.stack.recorder import Recorder

__all__ = ["RecordedBoard"]


class RecordedBoard(Board):
    """Wraps a board and records each action before it is carried out."""

    def __init__(self, name: str, board: Board, recorder: Recorder) -> None:
        self._board, self._recorder = board, recorder
        self.name, self.console = name, board.console
        self.device = board.name
        """The name under which it enrolls as a device."""
        self.wanted = Power.OFF
        """The power state last asked for. A board that is off although this is ON has failed."""
        self._changing = asyncio.Lock()
        """Concurrent actions on a board run one after another, in the order of the calls."""
        self.console.listen(self._record_line)

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self._board.kind

    @property
    def features(self) -> frozenset[str]:  # type: ignore[override]
        return self._board.features

    @property
    def power(self) -> Power:
        return self._board.power

    @property
    def pid(self) -> int | None:
        return self._board.pid

    @property
    def usage(self) -> Usage | None:
        return self._board.usage

    @property
    def counters(self) -> Counters | None:
        return self._board.counters

    @property
    def recording(self) -> Path | None:
        return self._board.recording

    async def power_on(self) -> None:
        async with self._changing:
            self._note("power on")
            self.wanted = Power.ON
            try:
                await self._board.power_on()
            finally:
                if self.recording is not None:
                    self._note("recorded", replay=f"wasmbed replay {shlex.quote(str(self.recording))}")

    async def power_off(self) -> None:
        async with self._changing:
            self._note("power off")
            self.wanted = Power.OFF
            await self._board.power_off()

    async def cut_power(self) -> None:
        async with self._changing:
            self._fault("cut power")
            self.wanted = Power.OFF
            await self._board.cut_power()

    async def reset(self) -> None:
        async with self._changing:
            self._fault("reset")
            await self._board.reset()

    def provision(self, credentials: Credentials) -> None:
        self._note("provisioned")
        self._board.provision(credentials)

    async def cut_link(self) -> None:
        async with self._changing:
            self._fault("cut link")
            await self._board.cut_link()

    async def restore_link(self) -> None:
        async with self._changing:
            self._note("restore link")
            await self._board.restore_link()

    async def pause(self) -> None:
        self._fault("pause")
        await self._board.pause()

    async def resume(self) -> None:
        self._note("resume")
        await self._board.resume()

    async def disturb_clock(self, *, ahead: float = 0.0, rate: float = 1.0) -> None:
        self._recorder.fault("disturb clock", "Device", self.device, board=self.name, ahead=ahead, rate=rate)
        await self._board.disturb_clock(ahead=ahead, rate=rate)

    async def exhaust_memory(self) -> None:
        self._fault("exhaust memory")
        await self._board.exhaust_memory()

    async def release_memory(self) -> None:
        self._note("release memory")
        await self._board.release_memory()

    async def wear_flash(self) -> None:
        self._fault("wear flash")
        await self._board.wear_flash()

    async def renew_flash(self) -> None:
        self._note("renew flash")
        await self._board.renew_flash()

    async def tear_write(self) -> None:
        await self._board.tear_write()
        self._fault("tear write")

    async def set_sensor(self, channel: int, value: int | None) -> None:
        shown = "released" if value is None else f"{value / 1000:g}"
        self._note("sensor", channel=str(channel), value=shown)
        await self._board.set_sensor(channel, value)

    async def pins(self) -> frozenset[int]:
        return await self._board.pins()

    async def execute(self, command: str) -> str:
        self._note("monitor", command=command)
        return await self._board.execute(command)

    def restoring(self, wanted: Power) -> None:
        """Note that a snapshot is about to be restored, in which its power state should be ``wanted``."""
        self._fault("restore")
        self.wanted = wanted

    def debugger(self) -> AbstractAsyncContextManager[GdbStub]:
        return self._board.debugger()

    @asynccontextmanager
    async def debug_target(self) -> AsyncIterator[DebugTarget]:
        async with self._board.debug_target() as target:
            self._fault("debug")
            try:
                yield target
            finally:
                self._note("debugged")

    def _record_line(self, line: str) -> None:
        self._recorder.console(line, self.device, board=self.name)

    def _note(self, what: str, **data: str) -> None:
        self._recorder.note(what, self.device, board=self.name, **data)

    def _fault(self, what: str) -> None:
        self._recorder.fault(what, "Device", self.device, board=self.name)

    def __repr__(self) -> str:
        return f"<board {self.name}, {self.kind}, {self.power}>"
