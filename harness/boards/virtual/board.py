"""A board without hardware: a task that speaks the device's side of the protocol."""

from __future__ import annotations

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials, Power
from harness.boards.console import Console
from harness.boards.virtual.firmware import Firmware
from harness.boards.virtual.flash import ContextMaker, Flash
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
            "provision",
            "reset",
            "dialects",
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
        self._settings, self._environment, self._runtime = settings, environment, runtime
        self._backoff, self._level = backoff, level
        self._make_context = make_context
        self._flash = Flash(settings.name, settings.credentials, make_context)
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

    def _boot(self) -> None:
        self._firmware = Firmware(
            self._settings, self._environment, self._flash, self.console, self._runtime, self._backoff, self._level
        )
        if not self._link_is_cut:
            self._firmware.uplink.start(self.name)

    async def _halt(self, *, orderly: bool) -> None:
        firmware, self._firmware = self._firmware, None
        if firmware is not None:
            await firmware.halt(orderly=orderly)
