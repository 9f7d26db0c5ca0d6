"""A further port at which a program is served: connections go on to the program's own port."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from harness.core.errors import RigError, reason
from harness.core.network import Endpoint

__all__ = ["Forward"]

_PIECE = 65_536


class Forward:
    """Listens at ``at`` and connects each client with ``to``."""

    def __init__(self, at: Endpoint, to: Endpoint) -> None:
        self._at, self._to = at, to
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises RigError for a port that is taken."""
        try:
            self._server = await asyncio.start_server(self._accept, *self._at)
        except OSError as error:
            raise RigError(
                f"cannot listen at {self._at[0]}:{self._at[1]}: {reason(error)}",
                where="aliases",
                do="stop the program that uses the port, or change the alias in wasmbed.toml",
            ) from error

    async def stop(self) -> None:
        """Close it and its connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, far_writer))
                    both.create_task(_pump(far_reader, writer))
            finally:
                far_writer.transport.abort()
        except (OSError, ExceptionGroup):
            pass  # one end is gone, or nobody listens at the other: the client sees its connection end
        finally:
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
