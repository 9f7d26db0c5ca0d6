"""One board in Renode: its machine in a host, the bridge on its link, and what it says on its console."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Power
from harness.boards.bridge import Bridge, Counters
from harness.boards.console import Console
from harness.boards.crash import CrashReader
from harness.boards.image import check_image
from harness.boards.provisioning import provisioning_blob
from harness.boards.qemu.startup import Startup
from harness.boards.renode import requests as ask
from harness.boards.renode.farm import Farm
from harness.boards.renode.machines import Place
from harness.boards.renode.platform import RenodePlatform
from harness.boards.renode.serial import SerialLine
from harness.boards.usage import Usage
from harness.core.errors import HarnessError, RigError, UsageError

__all__ = ["EMULATED", "RenodeBoard"]

EMULATED = frozenset({"reset", "pause", "monitor"})
"""The features that a board has for being in Renode."""


class RenodeBoard(Board):
    """A board of one of the kinds in ``platforms/``; it gets its place in ``farm`` when it is switched on."""

    RUNS_WITHIN = 30.0
    GOODBYE_WITHIN = 3.0
    STEP = 0.02
    """Seconds of virtual time at a time, for a board that starts where time stands still."""

    def __init__(self, kind: RenodePlatform, settings: BoardSettings, world: BoardEnvironment, farm: Farm) -> None:
        self.kind = kind.platform.name
        self.features = kind.platform.features | EMULATED
        self.name = settings.name
        self.console = Console(settings.name, world.clock)
        self.platform = kind.platform
        self._kind, self._settings, self._world, self.farm = kind, settings, world, farm
        self._crashes = CrashReader(kind.platform.image_path)
        self.console.listen(self._heard)
        self.storage = b""
        self._place: Place | None = None
        self._run: _Run | None = None
        self._bridge: Bridge | None = None
        self._serial: SerialLine | None = None
        self._link_is_cut = False
        self._is_paused = False

    @property
    def power(self) -> Power:
        return Power.ON if self._run is not None else Power.OFF

    @property
    def counters(self) -> Counters:
        return self._bridge.counters if self._bridge is not None else Counters()

    @property
    def usage(self) -> Usage | None:
        """Its share of what its host has used: a host has several boards."""
        return self._place.share if self._place is not None else None

    async def power_on(self) -> None:
        if self.power is Power.ON:
            return
        check_image(self.platform)
        self._check_self_test(self._settings)
        blob = provisioning_blob(self._settings, self._world, self.platform.provisioning.size)
        if self._place is None:
            self._place = await self.farm.place(self._kind, self, self._world.clock)
        await self._start(self._place, blob)

    async def _start(self, place: Place, blob: bytes) -> None:
        file = Path(place.machine.link.path).with_suffix(".blob")
        file.write_bytes(blob)
        run = self._run = _Run()
        self._is_paused = False
        startup = Startup(self.name, self.platform, self.console)
        try:
            self._plug(place)
            await place.ask(ask.PowerOn(place.name, str(file), self.platform.provisioning.origin))
            stepping = asyncio.create_task(self._step(), name=f"start of {self.name}") if self.farm.stands else None
            try:
                await startup.wait(run, self._world.clock, self.RUNS_WITHIN)
            finally:
                if stepping is not None:
                    stepping.cancel()
                    await asyncio.gather(stepping, return_exceptions=True)
        except BaseException:
            await self.cut_power()
            raise
        finally:
            startup.end()
            file.unlink(missing_ok=True)

    async def _step(self) -> None:
        while True:
            await self.farm.run_for(self.STEP)

    def _plug(self, place: Place) -> None:
        self._bridge = Bridge(self.name, self._settings.gateway, self._world.network, self._world.tap)
        self._bridge.is_cut = self._link_is_cut
        self._serial = SerialLine.open(Path(place.machine.console.path), _ConsoleLine(self.console))
        SerialLine.open(Path(place.machine.link.path), self._bridge)

    async def _unplug(self) -> None:
        if self._bridge is not None:
            await self._bridge.close()
        if self._serial is not None:
            self._serial.close()
            self._serial = None

    async def power_off(self) -> None:
        if self._run is None:
            return
        if not self.farm.stands and not self._is_paused and self._bridge is not None and not self._bridge.is_cut:
            said_goodbye = asyncio.create_task(self.console.until_next(r"\] power: off$", self.GOODBYE_WITHIN))
            self._bridge.shut_down()
            with contextlib.suppress(HarnessError):
                await said_goodbye
        await self.cut_power()

    async def cut_power(self) -> None:
        place, run = self._place, self._run
        # The link breaks first: what the board says without power is heard by nobody.
        await self._unplug()
        try:
            if place is not None and run is not None:
                await place.ask(ask.PowerOff(place.name))
        finally:
            if self._run is run:
                self._run = None

    async def reset(self) -> None:
        if self._run is not None and self._place is not None:
            await self._place.ask(ask.Reset(self._place.name))

    async def pause(self) -> None:
        place = self._running()
        await place.ask(ask.Pause(place.name))
        self._is_paused = True

    async def resume(self) -> None:
        place = self._running()
        await place.ask(ask.Resume(place.name))
        self._is_paused = False

    async def execute(self, command: str) -> str:
        place = self._running()
        return await place.ask(ask.Execute(place.name, command))

    async def virtual_time(self) -> float:
        """Seconds of virtual time since the board's host began."""
        place = self._running()
        return float(await place.ask(ask.Now()))

    async def cut_link(self) -> None:
        self._link_is_cut = True
        if self._bridge is not None:
            self._bridge.cut()

    async def restore_link(self) -> None:
        self._link_is_cut = False
        if self._bridge is not None:
            self._bridge.restore()

    def _running(self) -> Place:
        if self._place is None or self._run is None:
            raise UsageError("the board is off", where=self.name, do="power it on first")
        return self._place

    def _heard(self, line: str) -> None:
        if (crash := self._crashes.read(line)) is not None and self._world.faults is not None:
            self._world.faults("Device", "", "Crash", {"device": self.name} | crash, self.name)

    # as a tenant of the farm

    @property
    def is_live(self) -> bool:
        return self._run is not None and not self._is_paused

    def detached(self, trouble: RigError | None) -> None:
        run, self._run, self._place = self._run, None, None
        if trouble is not None:
            for line in f"{trouble.where}: {trouble.what}".splitlines():
                self.console.write(line)
        if run is not None:
            run.end(trouble)
            if trouble is not None and self._world.faults is not None:
                facts = {"device": self.name, "message": trouble.what}
                self._world.faults("Device", "", "EmulatorEnded", facts, self.name)
        if self._bridge is not None:
            self._bridge.connection_lost(None)
        if self._serial is not None:
            self._serial.close()

    def save_state(self) -> object:
        return self._place, self._run is not None, self._is_paused

    async def load_state(self, state: object) -> None:
        assert isinstance(state, tuple)
        self._place, on, self._is_paused = state
        assert self._place is not None
        if on:
            self._run = _Run()
            self._plug(self._place)
            if self._bridge is not None and not self._link_is_cut:
                # Once: the session it had is over. Twice: it need not wait before the next.
                self._bridge.call()
                self._bridge.call()


class _Run:
    """From power to no power, for whoever waits for its end."""

    def __init__(self) -> None:
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.words = ""

    def end(self, trouble: RigError | None) -> None:
        self.words = trouble.what if trouble is not None else ""
        if not self.exited.done():
            self.exited.set_result(1)


class _ConsoleLine(asyncio.Protocol):
    def __init__(self, console: Console) -> None:
        self._console = console

    def data_received(self, data: bytes) -> None:
        self._console.feed(data)
