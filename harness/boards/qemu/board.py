"""One emulated board: its machine, the bridge on its link, and what it says on its console."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from harness.boards.board import NOT_RECORDED, Board, BoardEnvironment, BoardSettings, Power
from harness.boards.bridge import Bridge, Counters, TcpBridge
from harness.boards.console import Console
from harness.boards.crash import CrashReader
from harness.boards.gdb import REGISTERS, GdbStub
from harness.boards.image import check_image
from harness.boards.platform import Platform, Region
from harness.boards.provisioning import ETHERNET_HOST, provisioning_blob
from harness.boards.qemu.arguments import MEMORY_SIZE, inherited, machine_arguments
from harness.boards.qemu.machine import Machine
from harness.boards.qemu.recording import Recording
from harness.boards.qemu.startup import Startup, how_it_ended
from harness.core.errors import HarnessError, UsageError
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import load_private_key
from harness.wasmbed.pki.tls import client_context

__all__ = ["EMULATED", "PLAIN_SERIAL", "QemuBoard"]

PLAIN_SERIAL = "plain-serial"
"""The link of a board that cannot do TLS."""
REQUIRED_CAPABILITIES = ("tls", "cbor", "gpio", "sensor")
"""What such a board claims: with the bridge it can."""

EMULATED = frozenset({"reset", "pause", "debug", "record"})
"""The features that a board has for being emulated."""


class QemuBoard(Board):
    """A board of one of the kinds in ``platforms/``. ``start_places`` bounds how many machines start at a time."""

    RUNS_WITHIN = 20.0
    GOODBYE_WITHIN = 2.0

    def __init__(
        self, platform: Platform, settings: BoardSettings, world: BoardEnvironment, start_places: asyncio.Semaphore
    ) -> None:
        self.kind = platform.name
        self.features = platform.features | EMULATED
        if settings.recording is not None:
            self.features -= NOT_RECORDED
        self.name = settings.name
        self.console = Console(settings.name, world.clock)
        self.platform = platform
        self._settings, self._world, self._places = settings, world, start_places
        self._crashes = CrashReader(platform.image_path)
        self.console.listen(self._heard)
        self._machine: Machine | None = None
        self._bridge: Bridge | None = None
        self._recording: Recording | None = None
        self._recorded: IO[bytes] | None = None
        self._link_is_cut = False
        self._memory: IO[bytes] | None = None

    @property
    def power(self) -> Power:
        return Power.ON if self._machine is not None and self._machine.pid is not None else Power.OFF

    @property
    def pid(self) -> int | None:
        return self._machine.pid if self._machine is not None else None

    @property
    def counters(self) -> Counters:
        return self._bridge.counters if self._bridge is not None else Counters()

    @property
    def recording(self) -> Path | None:
        return self._recording.folder if self._recording is not None else None

    async def power_on(self) -> None:
        if self.power is Power.ON:
            return
        check_image(self.platform)
        async with self._places:
            await self._start()

    async def _start(self) -> None:
        settings = self._settings
        self._check_self_test(settings)
        if settings.link is not None:
            self._check_has(settings.link)
        bridge = self._bridge = self._new_bridge(TcpBridge if settings.link == "ethernet" else Bridge)
        if isinstance(bridge, TcpBridge):
            _, port = await bridge.listen()
            settings = replace(settings, gateway=(ETHERNET_HOST, port))
        if settings.link == PLAIN_SERIAL and settings.capabilities is None:
            settings = replace(settings, capabilities=REQUIRED_CAPABILITIES)
        try:
            await self._provision(settings, bridge)
        except BaseException:
            await bridge.close()
            raise

    def _new_bridge(self, kind: type[Bridge]) -> Bridge:
        settings, world = self._settings, self._world
        on_request = settings.recording is not None
        bridge = kind(
            self.name,
            settings.gateway,
            world.network,
            world.tap,
            on_request=on_request,
            tls=self._tls_for_the_board() if settings.link == PLAIN_SERIAL else None,
            server_name=settings.server_name if settings.link == PLAIN_SERIAL else None,
        )
        bridge.is_cut = self._link_is_cut
        return bridge

    def _tls_for_the_board(self) -> ssl.SSLContext:
        credentials = self._settings.credentials
        identity = None
        if credentials.certificate is not None:
            key = load_private_key(credentials.private_key, f"the private key of {self.name}")
            identity = Identity(key, credentials.certificate)
        return client_context(credentials.authority, identity, self._world.clock)

    async def _provision(self, settings: BoardSettings, bridge: Bridge) -> None:
        blob = provisioning_blob(settings, self._world, self.platform.provisioning.size)
        if self._memory is None:
            self._memory = _nameless()
            self._memory.truncate(MEMORY_SIZE)
        elif self.platform.storage is not None:
            _clear(self._memory, self.platform.storage)
        with _nameless() as file:
            file.write(blob)
            await self._run(blob, file, self._memory, bridge)

    async def _run(self, blob: bytes, file: IO[bytes], memory: IO[bytes], bridge: Bridge) -> None:
        arguments = machine_arguments(self.platform, self.platform.image_path, inherited(file), inherited(memory))
        self._recording = None
        if self._settings.recording is not None:
            self._recording = Recording.begin(self._settings.recording, self.platform, self.name, blob, memory)
            arguments += self._recording.arguments("record")
            self._recorded = self._recording.open_console()
        if isinstance(bridge, TcpBridge):
            arguments += ["-nic", "user,ipv6=off"]
        machine = Machine(
            self.name,
            self.platform.program,
            arguments,
            link=bridge,
            console=_ConsoleLine(self.console, self._recorded),
            link_first=self.platform.link == 0,
            files=(file.fileno(), memory.fileno()),
            roomy=self._recording is not None,
            clock=self._world.clock,
        )
        self._machine = machine
        startup = Startup(self.name, self.platform, self.console)
        try:
            await machine.start()
            await startup.wait(machine, self._world.clock, self.RUNS_WITHIN)
            assert machine.exited is not None
            machine.exited.add_done_callback(self._went_off)
        except BaseException:
            await self._end(self._cut(machine))
            raise
        finally:
            startup.end()

    def _went_off(self, exited: asyncio.Future[int]) -> None:
        """The emulator has ended, and nobody told it to."""
        assert self._machine is not None
        self.console.end()
        self.console.write(how_it_ended(self._machine))
        if self._world.faults is not None:
            facts = {"device": self.name, "code": exited.result(), "message": self._machine.words}
            self._world.faults("Device", "", "EmulatorEnded", facts, self.name)

    async def power_off(self) -> None:
        if self._machine is None:
            return
        if self.power is Power.ON and self._bridge is not None and not self._bridge.is_cut:
            said_goodbye = asyncio.create_task(self.console.until_next(r"\] power: off$", self.GOODBYE_WITHIN))
            self._bridge.shut_down()
            with contextlib.suppress(HarnessError):
                await said_goodbye
        await self._end(self._machine.stop())

    async def cut_power(self) -> None:
        if self._machine is not None:
            await self._end(self._cut(self._machine))

    async def _cut(self, machine: Machine) -> None:
        if self._recorded is None:
            return await machine.kill()
        # QEMU completes its log only if it ends by itself; the link breaks as without power.
        if self._bridge is not None:
            self._bridge.cut()
        return await machine.stop()

    async def _end(self, ending: Any) -> None:
        if self._machine is not None and self._machine.exited is not None:
            self._machine.exited.remove_done_callback(self._went_off)
        await ending
        self.console.end()
        if self._bridge is not None:
            await self._bridge.close()
        if self._recorded is not None:
            self._recorded.close()
            self._recorded = None
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
        self._check_has("debug")
        machine, stub = self._running(), GdbStub(self.name, REGISTERS[self.platform.program])
        await machine.execute("stop")
        try:
            with tempfile.TemporaryDirectory(prefix="wasmbed-gdb-") as folder:
                path = Path(folder) / "gdb"
                await machine.monitor(f"gdbserver unix:{path},server=on,wait=off")
                await stub.open(str(path))
            try:
                yield stub
            finally:
                await stub.close()
        finally:
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
            raise UsageError("the board is off", where=self.name, do="power it on first")
        return self._machine

    def _heard(self, line: str) -> None:
        if (crash := self._crashes.read(line)) is not None and self._world.faults is not None:
            self._world.faults("Device", "", "Crash", {"device": self.name} | crash, self.name)

    def close(self) -> None:
        """Forget what the board kept."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None


def _nameless() -> IO[bytes]:
    """A file that is gone with this process, however it ends."""
    return tempfile.TemporaryFile(buffering=0)


def _clear(memory: IO[bytes], storage: Region) -> None:
    """What becomes of the memory without power: only ``storage`` stays."""
    start = storage.origin % MEMORY_SIZE
    memory.seek(start)
    kept = memory.read(storage.size)
    memory.truncate(0)
    memory.truncate(MEMORY_SIZE)
    memory.seek(start)
    memory.write(kept)


class _ConsoleLine(asyncio.Protocol):
    def __init__(self, console: Console, copy: IO[bytes] | None) -> None:
        self._console, self._copy = console, copy

    def data_received(self, data: bytes) -> None:
        if self._copy is not None:
            self._copy.write(data)
        self._console.feed(data)
