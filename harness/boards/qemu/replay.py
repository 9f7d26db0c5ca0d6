"""Replays a recorded run of a board: the same instructions, and the same bytes on its lines."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from harness.boards.platform import Platform
from harness.boards.qemu.arguments import inherited, machine_arguments
from harness.boards.qemu.machine import Machine
from harness.boards.qemu.recording import Recording
from harness.core.clock import Clock
from harness.core.errors import RigError

__all__ = ["replay"]


async def replay(
    recording: Recording,
    platform: Platform,
    clock: Clock,
    *,
    heard: Callable[[bytes], object] = lambda data: None,
    gdb: Callable[[Path], object] | None = None,
    within: float | None = None,
) -> bytes:
    """Replay to the end. Returns the board's console output; ``heard`` gets it as it comes.

    With ``gdb`` the board stops before its first instruction until a debugger continues it; ``gdb`` is called with the
    unix socket to connect to. Raises RigError if QEMU gives up, or does not end ``within`` seconds.
    """
    recording.check()
    facts = recording.facts
    console = _Console(heard)
    with ExitStack() as ends:
        memory = ends.enter_context(tempfile.TemporaryFile(buffering=0))
        recording.unpack_memory(memory)
        stub, extra = Path(), []
        if gdb is not None:
            stub = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="wasmbed-replay-"))) / "gdb"
            extra = ["-gdb", f"unix:{stub},server=on,wait=off"]
        machine = Machine(
            str(facts["board"]),
            str(facts["program"]),
            [
                *machine_arguments(platform, recording.image, recording.blob, inherited(memory)),
                *recording.arguments("replay"),
                *extra,
            ],
            link=asyncio.Protocol(),
            console=console,
            link_first=facts["link"] == 0,
            files=(memory.fileno(),),
            clock=clock,
        )
        try:
            await machine.start(paused=gdb is not None)
            if gdb is not None:
                gdb(stub)
            code = await _exit_code(machine, clock, within, recording.folder)
            await console.ended
        finally:
            await machine.kill()
        if code != 0:
            raise RigError(
                f"QEMU gave the replay up: {machine.error_text or f'code {code}'}",
                where=str(recording.folder),
                do="replay with the version of QEMU that recorded",
            )
    return bytes(console.data)


async def _exit_code(machine: Machine, clock: Clock, within: float | None, folder: Path) -> int:
    assert machine.exited is not None
    if within is None:
        return await asyncio.shield(machine.exited)
    try:
        async with clock.deadline(within):
            return await asyncio.shield(machine.exited)
    except TimeoutError:
        raise RigError(f"the replay did not end within {within:g} s", where=str(folder)) from None


class _Console(asyncio.Protocol):
    def __init__(self, heard: Callable[[bytes], object]) -> None:
        self.data = bytearray()
        self.ended = asyncio.get_running_loop().create_future()
        self._heard = heard

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
