"""A board without hardware: a task that speaks the device's side of the protocol."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials, Power
from harness.boards.console import Console
from harness.boards.own_clock import OwnClock
from harness.boards.virtual.firmware import Firmware
from harness.boards.virtual.flash import ContextMaker, Flash
from harness.boards.virtual.peripherals import Peripherals
from harness.boards.virtual.runtime import Runtime
from harness.core.backoff import Backoff
from harness.wasmbed.runtime.interface import LogLevel

__all__ = ["VirtualBoard"]


class VirtualBoard(Board):
    """While it is on, it takes one task and one connection, and one task for each application."""

    kind = "virtual"
    features = frozenset(
        {
            "tls",
            "wasm",
            "several-applications",
            "csr",
            "ed25519",
            "dates",
            "storage",
            "claims",
            "clock-faults",
            "memory-faults",
            "flash-faults",
            "provision",
            "reset",
            "sensors",
            "dialects",
            "reassign",
        }
    )

    def __init__(
        self,
        settings: BoardSettings,
        environment: BoardEnvironment,
        runtime: Runtime,
        make_context: ContextMaker,
        backoff: Backoff,
        level: LogLevel,
    ) -> None:
        self.name = settings.name
        self.console = Console(settings.name, environment.clock)
        self._clock = OwnClock(environment.clock)
        self._settings, self._runtime = settings, runtime
        self._environment = replace(environment, clock=self._clock)
        self._backoff, self._level = backoff, level
        self._make_context = partial(make_context, clock=self._clock.wall)
        self._flash = Flash(settings.name, settings.credentials, self._make_context)
        self._peripherals = Peripherals()
        self._has_memory = True
        self._firmware: Firmware | None = None
        self._link_is_cut = False

    @property
    def power(self) -> Power:
        return Power.OFF if self._firmware is None else Power.ON

    async def power_on(self) -> None:
        """Boot, unless it is on already."""
        if self._firmware is None:
            self._boot()

    async def power_off(self) -> None:
        if self._firmware is not None:
            self._firmware.say("power: off")
            await self._halt(orderly=True)

    async def cut_power(self) -> None:
        await self._halt(orderly=False)

    async def reset(self) -> None:
        """Restart the firmware; a board that is off stays off."""
        if self._firmware is not None:
            await self._halt(orderly=False)
            self._boot()

    def provision(self, credentials: Credentials) -> None:
        self._flash = Flash(self.name, credentials, self._make_context)

    async def cut_link(self) -> None:
        self._link_is_cut = True
        if self._firmware is not None:
            await self._firmware.uplink.stop(orderly=False)

    async def restore_link(self) -> None:
        self._link_is_cut = False
        if self._firmware is not None:
            self._firmware.uplink.start(self.name)

    async def disturb_clock(self, *, ahead: float = 0.0, rate: float = 1.0) -> None:
        self._clock.disturb(ahead, rate)

    async def exhaust_memory(self) -> None:
        self._has_memory = False

    async def release_memory(self) -> None:
        self._has_memory = True

    async def wear_flash(self) -> None:
        self._flash.is_worn = True

    async def renew_flash(self) -> None:
        self._flash.is_worn = False

    async def tear_write(self) -> None:
        await self._flash.tear()

    async def set_sensor(self, channel: int, value: int | None) -> None:
        if value is None:
            self._peripherals.sensors.pop(channel, None)
        else:
            self._peripherals.sensors[channel] = value

    async def pins(self) -> frozenset[int]:
        return self._peripherals.pins

    def _boot(self) -> None:
        self._flash.boot()
        self._peripherals.boot()
        self._firmware = Firmware(
            self._settings,
            self._environment,
            self._clock.wall,
            self._flash,
            self.console,
            self._runtime,
            self._backoff,
            self._level,
            lambda: self._has_memory,
            self._peripherals,
        )
        if not self._link_is_cut:
            self._firmware.uplink.start(self.name)

    async def _halt(self, *, orderly: bool) -> None:
        firmware, self._firmware = self._firmware, None
        if firmware is not None:
            await firmware.halt(orderly=orderly)
