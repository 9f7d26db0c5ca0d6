"""One emulated board: its machine, the bridge on its link, and what it says on its console."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from harness.boards.board import Board, BoardSettings, Power, World
from harness.boards.bridge import Bridge, Counters
from harness.boards.console import Console
from harness.boards.crash import CrashReader
from harness.boards.platform import Platform
from harness.boards.provisioning import provisioning_blob
from harness.boards.qemu.gdb import GdbStub
from harness.boards.qemu.machine import Machine
from harness.boards.qemu.startup import Startup
from harness.core.errors import HarnessError, RigError, UsageError

__all__ = ["QemuBoard"]

MEMORY_BACKEND_SIZE = 16 << 20


class QemuBoard(Board):
    """A board of one of the kinds in ``platforms/``. ``start_places`` bounds how many machines start at a time."""

    RUNS_WITHIN = 20.0
    GOODBYE_WITHIN = 2.0

    def __init__(
        self, platform: Platform, settings: BoardSettings, world: World, start_places: asyncio.Semaphore
    ) -> None:
        self.kind = platform.name
        self.features = platform.features
        self.name = settings.name
        self.console = Console(settings.name, world.clock)
        self.platform = platform
        self._settings, self._world, self._places = settings, world, start_places
        self._crashes = CrashReader(platform.image_path)
        self.console.listen(self._heard)
        self._machine: Machine | None = None
        self._bridge: Bridge | None = None
        self._link_is_cut = False
        self._kept: tempfile.TemporaryDirectory[str] | None = None

    @property
    def power(self) -> Power:
        return Power.ON if self._machine is not None and self._machine.pid is not None else Power.OFF

    @property
    def pid(self) -> int | None:
        return self._machine.pid if self._machine is not None else None

    @property
    def counters(self) -> Counters:
        """What went over the link since the board was switched on."""
        return self._bridge.counters if self._bridge is not None else Counters()

    async def power_on(self) -> None:
        if self.power is Power.ON:
            return
        if not self.platform.image_path.exists():
            raise RigError(
                f"there is no image {self.platform.image_path.name}", where=self.name, do="run `make firmware`"
            )
        async with self._places:
            await self._start()

    @property
    def _folder(self) -> Path:
        if self._kept is None:
            self._kept = tempfile.TemporaryDirectory(prefix="wasmbed-qemu-", ignore_cleanup_errors=True)
        return Path(self._kept.name)

    async def _start(self) -> None:
        folder = self._folder
        if self._settings.self_test == "hang" and "watchdog" not in self.features:
            raise UsageError(
                f"a {self.kind} has no watchdog to end a hang", where=self.name, do="ask for another self-test"
            )
        blob = provisioning_blob(self._settings, self._world)
        if len(blob) > self.platform.provisioning.size:
            raise UsageError(
                f"the provisioning blob has {len(blob)} bytes, {self.platform.provisioning.size} are there for it",
                where=self.name,
                do="use shorter certificates or names",
            )
        (folder / "blob").write_bytes(blob)
        self._bridge = Bridge(self.name, self._settings.gateway, self._world.network, self._world.tap)
        self._bridge.is_cut = self._link_is_cut
        machine = Machine(
            self.name,
            self.platform.program,
            self.arguments(folder),
            link=self._bridge,
            console=_ConsoleLine(self.console),
            link_first=self.platform.link == 0,
            clock=self._world.clock,
        )
        self._machine = machine
        startup = Startup(self.name, self.platform, self.console)
        try:
            await machine.start()
            await startup.wait(machine, self._world.clock, self.RUNS_WITHIN)
        except BaseException:
            await self._end(machine.kill())
            raise
        finally:
            startup.end()

    def arguments(self, folder: Path) -> list[str]:
        """QEMU's arguments for this board; ``folder`` holds its blob and what it keeps."""
        machine, extra = self.platform.machine, []
        if self.platform.memory_backend is not None:
            backend = self.platform.memory_backend
            path = folder / "memory"
            machine += f",memory-backend={backend}"
            extra = ["-object", f"memory-backend-file,id={backend},size={MEMORY_BACKEND_SIZE},mem-path={path},share=on"]
        blob = f"loader,file={folder / 'blob'},addr={self.platform.provisioning.origin:#x},force-raw=on"
        return [*extra, "-M", machine, "-kernel", str(self.platform.image_path), "-device", blob]

    async def power_off(self) -> None:
        if self._machine is None:
            return
        if self.power is Power.ON and self._bridge is not None and not self._bridge.is_cut:
            said_goodbye = asyncio.create_task(self.console.until_next(r"^power: off$", self.GOODBYE_WITHIN))
            self._bridge.shut_down()
            with contextlib.suppress(HarnessError):
                await said_goodbye
        await self._end(self._machine.stop())

    async def cut_power(self) -> None:
        if self._machine is not None:
            await self._end(self._machine.kill())

    async def _end(self, ending: Any) -> None:
        await ending
        if self._bridge is not None:
            await self._bridge.close()
        self._machine = None

    async def reset(self) -> None:
        if self._machine is not None:
            await self._machine.execute("system_reset")

    async def pause(self) -> None:
        """Let the processor stand still, and with it the board's time."""
        await self._running().execute("stop")

    async def resume(self) -> None:
        """Let a paused board go on."""
        await self._running().execute("cont")

    async def cut_link(self) -> None:
        self._link_is_cut = True
        if self._bridge is not None:
            self._bridge.cut()

    async def restore_link(self) -> None:
        self._link_is_cut = False
        if self._bridge is not None:
            self._bridge.restore()

    @contextlib.asynccontextmanager
    async def debugger(self) -> AsyncIterator[GdbStub]:
        """The board's memory and registers, while it stands still."""
        machine, path = self._running(), self._folder / "gdb"
        stub = GdbStub(self.name)
        await machine.execute("stop")
        await machine.monitor(f"gdbserver unix:{path},server=on,wait=off")
        try:
            await stub.open(str(path))
            try:
                yield stub
            finally:
                await stub.close()
        finally:
            await machine.monitor("gdbserver none")
            await machine.execute("cont")

    def _running(self) -> Machine:
        if self._machine is None or self._machine.pid is None:
            raise UsageError("the board is off", where=self.name, do="power it on first")
        return self._machine

    def _heard(self, line: str) -> None:
        if (crash := self._crashes.read(line)) is not None and self._world.faults is not None:
            self._world.faults("Device", "", "Crash", {"device": self.name} | crash, self.name)

    def close(self) -> None:
        """Forget what the board kept."""
        if self._kept is not None:
            self._kept.cleanup()
            self._kept = None


class _ConsoleLine(asyncio.Protocol):
    def __init__(self, console: Console) -> None:
        self._console = console

    def data_received(self, data: bytes) -> None:
        self._console.feed(data)
