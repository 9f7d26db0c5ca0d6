"""One board in Renode: its machine in a host, the bridge on its link, and its console."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

from harness.boards.board import BoardEnvironment, BoardSettings, Power
from harness.boards.bridge import Bridge
from harness.boards.emulated import ConsoleLine, EmulatedBoard
from harness.boards.image import check_image
from harness.boards.platform import Platform
from harness.boards.provisioning import provisioning_blob
from harness.boards.renode import requests as ask
from harness.boards.renode.farm import Farm
from harness.boards.renode.machines import Place
from harness.boards.renode.platform import RenodePlatform
from harness.boards.renode.serial import SerialLine
from harness.boards.startup import Startup
from harness.boards.usage import Usage
from harness.core.errors import RigError

__all__ = ["RenodeBoard", "emulated_features"]

EMULATED = frozenset({"claims", "provision", "reset", "pause", "monitor", "reassign"})
"""The features that every board gets from Renode."""


def emulated_features(platform: Platform) -> frozenset[str]:
    """The features that a board gets from Renode, and from our firmware if it has that."""
    is_ours = platform.foreign is None or platform.foreign.is_ours
    return EMULATED if is_ours else EMULATED - {"claims", "provision", "reassign"}


class RenodeBoard(EmulatedBoard):
    """A board of one of the kinds in ``platforms/``; it gets its place in ``farm`` when it is powered on."""

    RUNS_WITHIN: ClassVar[float] = 30.0
    CLOSES_WITHIN: ClassVar[float] = 3.0
    STEP = 0.02
    """Seconds of virtual time per step, for a board that starts while virtual time is held."""

    def __init__(
        self, kind: RenodePlatform, settings: BoardSettings, environment: BoardEnvironment, farm: Farm
    ) -> None:
        super().__init__(kind.platform, emulated_features(kind.platform), settings, environment)
        self._renode_platform, self.farm = kind, farm
        self.storage = b""
        self._place: Place | None = None
        self._power_cycle: _PowerCycle | None = None
        self._lines: list[SerialLine] = []
        """The serial lines that no bridge closes."""
        self._is_paused = False

    @property
    def power(self) -> Power:
        return Power.ON if self._power_cycle is not None else Power.OFF

    @property
    def usage(self) -> Usage | None:
        """Its share of what its host has used: one host runs several boards."""
        return self._place.share if self._place is not None else None

    async def power_on(self) -> None:
        if self.power is Power.ON:
            return
        check_image(self.platform)
        self._check_self_test(self._settings)
        blob = b""
        if self._speaks_to_bridge:
            blob = provisioning_blob(self._settings, self._environment, self.platform.provisioning.size)
        if self._place is None:
            self._place = await self.farm.place(self._renode_platform, self, self._environment.clock)
        await self._start(self._place, blob)

    async def _start(self, place: Place, blob: bytes) -> None:
        """Power the machine at ``place`` on and return when its firmware runs. Without ``blob`` it learns nothing."""
        file = Path(place.machine.link.path).with_suffix(".blob")
        file.write_bytes(blob)
        power_cycle = self._power_cycle = _PowerCycle()
        self._is_paused = False
        startup = Startup(self.name, self.platform, self.console)
        try:
            self._connect_lines(place)
            await place.ask(ask.PowerOn(place.name, str(file) if blob else "", self.platform.provisioning.origin))
            async with self._time_passing():
                await startup.wait(power_cycle, self._environment.clock, self.RUNS_WITHIN)
        except BaseException:
            await self.cut_power()
            raise
        finally:
            startup.end()
            file.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def _time_passing(self) -> AsyncIterator[None]:
        """Let virtual time pass inside the block, also where the farm holds it."""
        if not self.farm.stands:
            yield
            return
        stepping = asyncio.create_task(self._step(), name=f"start of {self.name}")
        try:
            yield
        finally:
            stepping.cancel()
            await asyncio.gather(stepping, return_exceptions=True)

    async def _step(self) -> None:
        while True:
            await self.farm.run_for(self.STEP)

    def _connect_lines(self, place: Place) -> None:
        link = Path(place.machine.link.path)
        self._lines.append(SerialLine.open(Path(place.machine.console.path), ConsoleLine(self.console)))
        if not self._speaks_to_bridge:
            self._lines.append(SerialLine.open(link, asyncio.Protocol()))  # which drops what comes
            return
        settings, environment = self._settings, self._environment
        bridge = Bridge(
            self.name, settings.gateway, environment.network, environment.tap, assignable=environment.gateways
        )
        self._attach(bridge)
        SerialLine.open(link, bridge)

    async def _disconnect_lines(self) -> None:
        if self._bridge is not None:
            await self._bridge.close()
        self._close_lines()

    def _close_lines(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()

    async def power_off(self) -> None:
        if self._power_cycle is None:
            return
        if not self.farm.stands and not self._is_paused:
            await self._close_session()
        await self.cut_power()

    async def cut_power(self) -> None:
        place, power_cycle = self._place, self._power_cycle
        # The lines break first, so that nothing the board writes without power is read.
        await self._disconnect_lines()
        try:
            if place is not None and power_cycle is not None:
                await place.ask(ask.PowerOff(place.name))
        finally:
            if self._power_cycle is power_cycle:
                self._power_cycle = None

    async def reset(self) -> None:
        if self._power_cycle is not None and self._place is not None:
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
        """Seconds of virtual time since the board's host started."""
        place = self._running()
        return float(await place.ask(ask.Now()))

    def _running(self) -> Place:
        if self._place is None or self._power_cycle is None:
            raise self._is_off()
        return self._place

    # as an occupant of the farm

    @property
    def is_live(self) -> bool:
        return self._power_cycle is not None and not self._is_paused

    def detached(self, error: RigError | None) -> None:
        power_cycle, self._power_cycle, self._place = self._power_cycle, None, None
        if error is not None:
            for line in f"{error.where}: {error.what}".splitlines():
                self.console.write(line)
        if power_cycle is not None:
            power_cycle.end(error)
            if error is not None:
                self._report("EmulatorEnded", {"message": error.what})
        if self._bridge is not None:
            self._bridge.connection_lost(None)
        self._close_lines()

    def save_state(self) -> object:
        return self._place, self._power_cycle is not None, self._is_paused

    async def load_state(self, state: object) -> None:
        assert isinstance(state, tuple)
        self._place, on, self._is_paused = state
        assert self._place is not None
        if on:
            self._power_cycle = _PowerCycle()
            self._connect_lines(self._place)
            if self._bridge is not None and not self._link_is_cut:
                # The first call ends the session that the board had; the second makes it connect again at once.
                self._bridge.call()
                self._bridge.call()


class _PowerCycle:
    """The time from power-on until the power is gone, for callers that wait for its end."""

    def __init__(self) -> None:
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.error_text = ""

    def end(self, error: RigError | None) -> None:
        self.error_text = error.what if error is not None else ""
        if not self.exited.done():
            self.exited.set_result(1)
