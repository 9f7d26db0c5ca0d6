"""One board in QEMU: its machine, the bridge on its link, and its console."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import IO, ClassVar

from harness.boards.board import NOT_ON_ETHERNET, NOT_RECORDED, BoardEnvironment, BoardSettings, Power
from harness.boards.bridge import Bridge, TcpBridge
from harness.boards.emulated import ConsoleLine, EmulatedBoard
from harness.boards.foreign import Source
from harness.boards.foreign_settings import learned
from harness.boards.gdb import REGISTERS, DebugTarget, GdbStub
from harness.boards.image import check_image
from harness.boards.platform import Platform, Region
from harness.boards.provisioning import ETHERNET_HOST, provisioning_blob
from harness.boards.qemu.arguments import MEMORY_SIZE, inherited, machine_arguments
from harness.boards.qemu.machine import Machine
from harness.boards.qemu.peripherals import Peripherals
from harness.boards.qemu.recording import Recording
from harness.boards.startup import Startup, describe_end
from harness.core.errors import RigError, UsageError, reason
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import load_private_key
from harness.wasmbed.pki.tls import client_context

__all__ = ["PLAIN_SERIAL", "QemuBoard", "emulated_features"]

PLAIN_SERIAL = "plain-serial"
"""The link of a board that cannot do TLS."""
PLAIN_SERIAL_CAPABILITIES = ("tls", "cbor", "gpio", "sensor")
"""The capabilities that such a board claims: ``tls`` because the bridge speaks TLS for it."""

EMULATED = frozenset({"dates", "claims", "provision", "reset", "pause", "debug", "record", "reassign"})
"""The features that every board with this project's firmware gets from QEMU."""


def emulated_features(platform: Platform) -> frozenset[str]:
    """Return the features that boards of this kind get from QEMU. A firmware of others knows neither the time that the
    blob holds nor the request for a byte that a recording needs."""
    if platform.foreign is None:
        return EMULATED | ({"sensors"} if platform.peripherals is not None else set())
    others = {"record", "dates", "claims", "provision", "reassign"}
    return EMULATED - ({"record"} if platform.foreign.is_ours else others)


class QemuBoard(EmulatedBoard):
    """A board of one of the kinds in ``platforms/``. ``start_places`` bounds how many machines start at a time."""

    RUNS_WITHIN: ClassVar[float] = 20.0
    CLOSES_WITHIN: ClassVar[float] = 2.0

    def __init__(
        self,
        platform: Platform,
        settings: BoardSettings,
        environment: BoardEnvironment,
        start_places: asyncio.Semaphore,
    ) -> None:
        super().__init__(platform, emulated_features(platform), settings, environment)
        if settings.recording is not None:
            self.features -= NOT_RECORDED
        if settings.link == "ethernet":
            self.features -= NOT_ON_ETHERNET
        self._places = start_places
        self._machine: Machine | None = None
        self._recording: Recording | None = None
        self._recorded_console: IO[bytes] | None = None
        self._memory: IO[bytes] | None = None
        self._is_debugged = False
        self._peripherals = Peripherals(platform.peripherals, MEMORY_SIZE) if platform.peripherals is not None else None

    @property
    def power(self) -> Power:
        return Power.ON if self.pid is not None else Power.OFF

    @property
    def pid(self) -> int | None:
        return self._machine.pid if self._machine is not None else None

    @property
    def recording(self) -> Path | None:
        return self._recording.folder if self._recording is not None else None

    async def power_on(self) -> None:
        if self.power is Power.ON:
            return
        check_image(self.platform)
        async with self._places:
            self._check_self_test(self._settings)
            if self._settings.link is not None:
                self._check_has(self._settings.link)
            await self._start()

    async def _start(self) -> None:
        bridge = self._new_bridge()
        self._attach(bridge)
        try:
            settings = await self._settings_for(bridge)
            blob = self._provisioned(settings)
            memory = self._memory_at_power_on()
            self._begin_recording(blob, memory)
            with _unnamed_file() as blob_file:
                blob_file.write(blob)
                await self._boot(self._new_machine(blob_file, memory, bridge))
        except BaseException:
            await bridge.close()
            raise

    def _new_bridge(self) -> Bridge:
        settings = self._settings
        foreign = not self._speaks_to_bridge
        kind = TcpBridge if settings.link == "ethernet" or foreign else Bridge
        needs_tls = settings.link == PLAIN_SERIAL or (foreign and "tls" not in self.features)
        return kind(
            self.name,
            settings.gateway,
            self._environment.network,
            self._environment.tap,
            on_request=settings.recording is not None,
            assignable=self._environment.gateways,
            tls=self._tls_for_the_board() if needs_tls else None,
            server_name=settings.server_name if needs_tls else None,
        )

    def _tls_for_the_board(self) -> ssl.SSLContext:
        credentials = self._settings.credentials
        identity = None
        if credentials.certificate is not None:
            key = load_private_key(credentials.private_key, f"the private key of {self.name}")
            identity = Identity(key, credentials.certificate)
        return client_context(credentials.authority, identity, self._environment.clock)

    async def _settings_for(self, bridge: Bridge) -> BoardSettings:
        """The board's settings, with the address and the capabilities that its link requires."""
        settings = self._settings
        if isinstance(bridge, TcpBridge):
            port = await self._listen(bridge)
            settings = replace(settings, gateway=(ETHERNET_HOST, port))
        if settings.link == PLAIN_SERIAL and settings.capabilities is None:
            settings = replace(settings, capabilities=PLAIN_SERIAL_CAPABILITIES)
        return settings

    async def _listen(self, bridge: TcpBridge) -> int:
        wanted = self.platform.foreign.port if self.platform.foreign is not None else 0
        try:
            _, port = await bridge.listen(wanted)
        except OSError as error:
            raise RigError(
                f"port {wanted or 'for its link'} cannot be used: {reason(error)}",
                where=self.name,
                do="end the program that uses it; of an image with its own port only one board can be on",
            ) from error
        return port

    def _provisioned(self, settings: BoardSettings) -> bytes:
        if self.platform.foreign is not None and not self.platform.foreign.is_ours:
            return learned(self.platform.foreign, settings, self._environment)
        return provisioning_blob(settings, self._environment, self.platform.provisioning.size)

    def _memory_at_power_on(self) -> IO[bytes]:
        """The file behind the board's RAM: empty, except for the storage of a board that was on before."""
        if self._memory is None:
            self._memory = _unnamed_file()
            self._memory.truncate(MEMORY_SIZE)
        elif self.platform.storage is not None:
            _clear_except(self._memory, self.platform.storage)
        if self._peripherals is not None:
            self._peripherals.write(self._memory)
        return self._memory

    def _begin_recording(self, blob: bytes, memory: IO[bytes]) -> None:
        self._recording = None
        if self._settings.recording is not None:
            self._recording = Recording.begin(self._settings.recording, self.platform, self.name, blob, memory)
            self._recorded_console = self._recording.open_console()

    def _new_machine(self, blob: IO[bytes], memory: IO[bytes], bridge: Bridge) -> Machine:
        foreign, image = self.platform.foreign, self.platform.image_path
        is_ours = foreign is None or foreign.is_ours
        address = None if foreign is None or is_ours else foreign.address
        has_blob = foreign is None or foreign.source is not Source.NOTHING
        arguments = machine_arguments(
            self.platform, image, inherited(blob) if has_blob else None, inherited(memory), address
        )
        if self._recording is not None:
            arguments += self._recording.arguments("record")
        if isinstance(bridge, TcpBridge) and self.platform.has_ethernet:
            arguments += ["-nic", "user,ipv6=off"]
        return Machine(
            self.name,
            self.platform.program,
            arguments,
            link=bridge if is_ours else asyncio.Protocol(),
            console=ConsoleLine(self.console, self._recorded_console),
            link_first=self._link_is_first(),
            files=(blob.fileno(), memory.fileno()),
            roomy=self._recording is not None,
            clock=self._environment.clock,
        )

    def _link_is_first(self) -> bool:
        """Whether the first serial line is the link, and the second one the console."""
        foreign = self.platform.foreign
        if foreign is None or (foreign.console is None and foreign.is_ours):
            return self.platform.link == 0
        return foreign.console == 1

    async def _boot(self, machine: Machine) -> None:
        """Start the machine and return when its firmware runs."""
        self._machine = machine
        startup = Startup(self.name, self.platform, self.console)
        try:
            await machine.start()
            await startup.wait(machine, self._environment.clock, self.RUNS_WITHIN)
            assert machine.exited is not None
            machine.exited.add_done_callback(self._ended_by_itself)
        except BaseException:
            await self.cut_power()
            raise
        finally:
            startup.end()

    def _ended_by_itself(self, exited: asyncio.Future[int]) -> None:
        """The emulator ended although the harness did not end it."""
        assert self._machine is not None
        self.console.end()
        self.console.write(describe_end(self._machine))
        self._report("EmulatorEnded", {"code": exited.result(), "message": self._machine.error_text})

    async def power_off(self) -> None:
        if self.power is Power.ON:
            await self._close_session()
        if (machine := self._machine) is not None:
            self._expect_end(machine)
            await machine.stop()
            await self._release()

    async def cut_power(self) -> None:
        if (machine := self._machine) is not None:
            self._expect_end(machine)
            await self._kill(machine)
            await self._release()

    async def _kill(self, machine: Machine) -> None:
        if self._recorded_console is None:
            return await machine.kill()
        # QEMU completes its log only if it ends by itself. The link still breaks as without power.
        if self._bridge is not None:
            self._bridge.cut()
        return await machine.stop()

    def _expect_end(self, machine: Machine) -> None:
        if machine.exited is not None:
            machine.exited.remove_done_callback(self._ended_by_itself)

    async def _release(self) -> None:
        """Close what the machine used."""
        self.console.end()
        if self._bridge is not None:
            await self._bridge.close()
        if self._recorded_console is not None:
            self._recorded_console.close()
            self._recorded_console = None
        self._machine = None

    async def reset(self) -> None:
        self._check_has("reset")
        if self._machine is not None:
            await self._machine.execute("system_reset")

    async def pause(self) -> None:
        self._check_has("pause")
        await self._running().execute("stop")

    async def resume(self) -> None:
        await self._running().execute("cont")

    async def set_sensor(self, channel: int, value: int | None) -> None:
        self._check_has("sensors")
        assert self._peripherals is not None, "it has sensors"
        self._peripherals.set(channel, value)
        if self._memory is not None:
            self._peripherals.write(self._memory)

    async def pins(self) -> frozenset[int]:
        self._check_has("sensors")
        assert self._peripherals is not None, "it has sensors"
        return self._peripherals.pins(self._memory) if self._memory is not None else frozenset()

    @contextlib.asynccontextmanager
    async def debugger(self) -> AsyncIterator[GdbStub]:
        self._check_has("debug")
        machine, stub = self._running(), GdbStub(self.name, REGISTERS[self.platform.program])
        await machine.execute("stop")
        async with self.debug_target() as target:
            await stub.open(str(target.socket))
            try:
                yield stub
            finally:
                await stub.close()

    @contextlib.asynccontextmanager
    async def debug_target(self) -> AsyncIterator[DebugTarget]:
        self._check_has("debug")
        machine = self._running()
        if self._is_debugged:
            raise UsageError("another debugger has it", where=self.name, do="end that one first")
        self._is_debugged = True
        try:
            with tempfile.TemporaryDirectory(prefix="wasmbed-gdb-") as folder:
                path = Path(folder) / "gdb"
                await machine.monitor(f"gdbserver unix:{path},server=on,wait=off")
                yield DebugTarget(path, self.platform.image_path)
        finally:
            self._is_debugged = False
            if machine.pid is not None:
                await machine.monitor("gdbserver none")
                await machine.execute("cont")

    def _check_has(self, feature: str) -> None:
        if feature in self.features:
            return
        if self._settings.recording is None or feature not in NOT_RECORDED:
            raise self._lacks(feature)
        raise UsageError(
            f"a {self.kind} lacks the feature {feature!r} while it is recorded",
            where=self.name,
            do="ask for a board that is not recorded; `wasmbed replay --gdb` debugs a recording",
        )

    def _running(self) -> Machine:
        if self._machine is None or self._machine.pid is None:
            raise self._is_off()
        return self._machine

    def close(self) -> None:
        """Delete the board's memory, with what its flash kept."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None


def _unnamed_file() -> IO[bytes]:
    """A file that the system deletes when this process ends, however it ends."""
    return tempfile.TemporaryFile(buffering=0)


def _clear_except(memory: IO[bytes], storage: Region) -> None:
    """Clear the memory as a power cut does: only ``storage`` is kept."""
    start = storage.origin % MEMORY_SIZE
    memory.seek(start)
    kept = memory.read(storage.size)
    memory.truncate(0)
    memory.truncate(MEMORY_SIZE)
    memory.seek(start)
    memory.write(kept)
