"""Reads and writes a board's memory and registers, by GDB's remote serial protocol.

The protocol is described in the GDB manual, appendix "Remote Serial Protocol".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import RigError

__all__ = ["CORTEX_M", "REGISTERS", "DebugTarget", "GdbStub"]

CORTEX_M = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc")
RISC_V = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{n}" for n in range(8)),
    *(f"s{n}" for n in range(2, 12)),
    *("t3", "t4", "t5", "t6", "pc"),
)
REGISTERS = {"qemu-system-arm": CORTEX_M, "qemu-system-riscv32": RISC_V}
"""The core registers in the order of the stub's reply, by emulator; each has 32 bits."""


@dataclass(frozen=True, slots=True)
class DebugTarget:
    """Where a debugger attaches to a board: its stub's unix socket, and the image with its symbols."""

    socket: Path
    image: Path


class GdbStub:
    """A connection to a stub. The processor is stopped from before :meth:`open` until :meth:`close`, except during
    :meth:`step` and :meth:`run_to`."""

    CHUNK = 1024

    def __init__(self, name: str, registers: tuple[str, ...] = CORTEX_M) -> None:
        self._name, self._registers = name, registers
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, path: str) -> None:
        """Connect to the stub's unix socket."""
        self._reader, self._writer = await asyncio.open_unix_connection(path)
        await self._ask("?")

    async def close(self) -> None:
        """Detach and close the connection."""
        if self._writer is not None:
            await self._ask("D")
            self._writer.close()
            await self._writer.wait_closed()
            self._reader = self._writer = None

    async def read_memory(self, address: int, count: int) -> bytes:
        """Read ``count`` bytes from ``address``. Raises RigError if there is no memory."""
        data = b""
        while len(data) < count:
            size = min(self.CHUNK, count - len(data))
            answer = await self._ask(f"m{address + len(data):x},{size:x}")
            data += self._hex(answer, f"no memory to read at {address + len(data):#x}")
        return data

    async def write_memory(self, address: int, data: bytes) -> None:
        """Write ``data`` at ``address``. Raises RigError if there is no memory."""
        for start in range(0, len(data), self.CHUNK):
            chunk = data[start : start + self.CHUNK]
            if await self._ask(f"M{address + start:x},{len(chunk):x}:{chunk.hex()}") != "OK":
                raise RigError(f"no memory to write at {address + start:#x}", where=self._name)

    async def read_registers(self) -> dict[str, int]:
        """Read the core registers; returns them by name, among them ``sp`` and ``pc``."""
        data = self._hex(await self._ask("g"), "no registers to read")
        words = (data[start : start + 4] for start in range(0, 4 * len(self._registers), 4))
        return {name: int.from_bytes(word, "little") for name, word in zip(self._registers, words, strict=True)}

    async def step(self) -> None:
        """Let the processor execute one instruction."""
        await self._ask("s")

    async def run_to(self, address: int) -> None:
        """Run until the next instruction is the one at ``address``."""
        if await self._ask(f"Z1,{address:x},2") != "OK":
            raise RigError(f"no breakpoint can be set at {address:#x}", where=self._name)
        await self._ask("c")
        await self._ask(f"z1,{address:x},2")

    def _hex(self, answer: str, failure: str) -> bytes:
        if not answer or answer.startswith("E"):
            raise RigError(failure, where=self._name)
        return bytes.fromhex(answer)

    async def _ask(self, packet: str) -> str:
        if self._reader is None or self._writer is None:
            raise RigError("the debugger is not connected", where=self._name)
        body = packet.encode("ascii")
        self._writer.write(b"$" + body + b"#%02x" % (sum(body) % 256))
        await self._writer.drain()
        try:
            if await self._reader.readexactly(1) != b"+":
                raise RigError(f"the debug stub refused {packet!r}", where=self._name)
            answer = await self._reader.readuntil(b"#")
            await self._reader.readexactly(2)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise RigError("the debug stub closed the connection", where=self._name) from error
        self._writer.write(b"+")
        return answer[1:-1].decode("ascii")
