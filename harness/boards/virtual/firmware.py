"""The firmware of a virtual board, from power-on to power-off: boot, applications, uplink, and console lines."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from harness.boards.board import BoardEnvironment, BoardSettings
from harness.boards.console import Console
from harness.boards.link_tap import BoardTap
from harness.boards.virtual.application import BoardServices
from harness.boards.virtual.applications import Applications
from harness.boards.virtual.flash import Flash
from harness.boards.virtual.peripherals import Peripherals
from harness.boards.virtual.runtime import Runtime
from harness.boards.virtual.session import Command
from harness.boards.virtual.uplink import Uplink
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    Deploy,
    DeviceInfo,
    EnrollmentRequest,
    Heartbeat,
    ModuleChunk,
    Stop,
)
from harness.wasmbed.runtime.interface import LogLevel
from harness.wasmbed.runtime.limits import MAXIMUM_MODULE, PROPOSALS

__all__ = ["CAPABILITIES", "FIRMWARE_VERSION", "LARGEST_MODULE", "MEMORY", "Firmware"]

FIRMWARE_VERSION = "1.0.0"
DEVICE_TYPE = "virtual"
MCU_TYPE = "virtual"
ARCHITECTURE = "virtual"
CAPABILITIES = ("wasm", "tls", "cbor", "gpio", "sensor", "publish")
MEMORY = 8 << 20
"""The most memory of one application, bytes, even if its own limit is larger."""
LARGEST_MODULE = MAXIMUM_MODULE


class Firmware:
    """One run of the firmware, from power-on to power-off or reset."""

    __slots__ = (
        "_applications",
        "_booted",
        "_capabilities",
        "_console",
        "_environment",
        "_flash",
        "_level",
        "_settings",
        "_wall",
        "uplink",
    )

    def __init__(
        self,
        settings: BoardSettings,
        environment: BoardEnvironment,
        wall: Clock,
        flash: Flash,
        console: Console,
        runtime: Runtime,
        backoff: Backoff,
        level: LogLevel,
        has_memory: Callable[[], bool],
        peripherals: Peripherals,
    ) -> None:
        """``wall`` is the time of day; ``has_memory``: whether there is any for another application."""
        self._wall = wall
        self._settings, self._environment, self._flash, self._console, self._level = (
            settings,
            environment,
            flash,
            console,
            level,
        )
        self._booted = environment.clock.now()
        self._capabilities = CAPABILITIES if settings.capabilities is None else settings.capabilities
        self.uplink = Uplink(
            self,
            flash,
            settings.gateway,
            settings.server_name,
            clock=environment.clock,
            network=environment.network,
            randomness=environment.randomness,
            backoff=backoff,
            wire=settings.wire,
            tap=BoardTap(environment.links, settings.name) if environment.links is not None else None,
        )
        services = BoardServices(
            runtime,
            environment.clock,
            self.uplink.send,
            self.uplink.drain,
            self.say,
            self.uptime_ms,
            MEMORY,
            has_memory,
            peripherals,
        )
        self._applications = Applications(services, LARGEST_MODULE if "wasm" in self._capabilities else 0)
        self.say(f"wasmbed {FIRMWARE_VERSION} on {DEVICE_TYPE} board {settings.name}")
        self.say(f"identity: {'certificate' if flash.has_certificate else 'key without certificate'}")

    async def halt(self, *, orderly: bool) -> None:
        """Stop everything. With ``orderly`` the link is closed in order, else it is aborted."""
        await self.uplink.stop(orderly=orderly)
        await self._applications.clear()

    def uptime_ms(self) -> int:
        return int(1000 * (self._environment.clock.now() - self._booted))

    def say(self, text: str, level: LogLevel = LogLevel.INFO) -> None:
        """Write a console line after the seconds since boot, unless its level is too detailed."""
        if level <= self._level:
            self._console.write(f"[{self.uptime_ms() / 1000:10.3f}] {text}")

    def panicked(self, error: BaseException) -> None:
        self.say(f"panic: {error!r}", LogLevel.ERROR)
        if self._environment.faults is not None:
            frames = reversed(traceback.extract_tb(error.__traceback__))
            callers = [f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" for frame in frames]
            crash = {"device": self._settings.name, "cause": "panic", "message": repr(error), "backtrace": callers}
            self._environment.faults("Device", "", "Crash", crash, self._settings.name)

    # as the device of a session

    def enrollment_request(self, nonce: bytes, csr: bytes | None, token: str | None) -> EnrollmentRequest:
        return EnrollmentRequest(
            device_type=self._settings.device_type or DEVICE_TYPE,
            mcu_type=MCU_TYPE,
            architecture=ARCHITECTURE,
            capabilities=self._capabilities,
            public_key=self._flash.public_key,
            firmware_version=FIRMWARE_VERSION,
            nonce=nonce,
            csr=csr,
            pairing_token=token,
            largest_module=LARGEST_MODULE,
        )

    def heartbeat(self, device_id: str) -> Heartbeat:
        applications = self._applications
        failed = applications.count(ApplicationState.FAILED, ApplicationState.ERROR)
        metrics = {
            "uptime_ms": self.uptime_ms(),
            "memory_used_bytes": applications.memory_bytes,
            "applications_running": applications.count(ApplicationState.RUNNING),
            "errors": applications.errors + failed,
        }
        return Heartbeat(
            device_id=device_id,
            device_time=int(1000 * self._wall.now()),
            status="degraded" if failed else "running",
            metrics=metrics,
            runtime_status=self._runtime_status(),
            applications=applications.states,
        )

    def information(self) -> DeviceInfo:
        return DeviceInfo(MEMORY, ARCHITECTURE, PROPOSALS, LARGEST_MODULE)

    async def obey(self, command: Command, message_id: int) -> None:
        if isinstance(command, ModuleChunk):
            self._applications.chunk(command, message_id)
        elif isinstance(command, Deploy):
            await self._applications.deploy(command, message_id)
        elif isinstance(command, Stop):
            await self._applications.stop(command, message_id)
        else:
            self._applications.status(command.application_id, message_id)

    def connected(self) -> None:
        self.say("link: heartbeat answered")
        self._applications.link_restored()

    def disconnected(self) -> None:
        self._applications.link_lost()

    def _runtime_status(self) -> str:
        if "wasm" not in self._capabilities:
            return "unavailable"
        return "busy" if self._applications.busy else "ready"
