"""A process of its own for what is measured: it answers the lines that are written to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Child", "asked"]


async def asked() -> AsyncIterator[str]:
    """In the child: the lines that it is asked, until the parent has no more. Print one line as the answer to each."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        yield line.decode().strip()


class Child:
    """In the parent: the other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def ask(self, question: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n".encode())

    async def answer(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the measured process ended; its words are above")
        return line.decode()


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """``python -m module arguments``, ended with the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), stdin=pipe, stdout=pipe, limit=1 << 20
    )
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
