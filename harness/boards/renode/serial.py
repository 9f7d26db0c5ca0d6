"""A pseudo terminal of Renode as an asyncio transport: the board's serial line, byte for byte.

The event loops' transports for pipes do not support a terminal in both directions (uvloop also reads from the one that
it writes to), so this module watches the descriptor itself.
"""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from pathlib import Path
from typing import Any

from harness.core.errors import RigError, reason

__all__ = ["SerialLine"]

CHUNK = 65_536


class SerialLine(asyncio.Transport):
    """Both directions of one terminal, with flow control towards both sides."""

    def __init__(self, descriptor: int, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._descriptor: int | None = descriptor
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._paused = False
        self._high_water = 0

    @classmethod
    def open(cls, path: Path, protocol: asyncio.Protocol) -> SerialLine:
        """Open the terminal at ``path``, and drop what it has buffered. Raises RigError if it does not exist."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise RigError(f"the board's serial line does not exist: {reason(error)}", where=str(path)) from error
        try:
            tty.setraw(descriptor, termios.TCSANOW)
            termios.tcflush(descriptor, termios.TCIOFLUSH)
        except termios.error as error:
            os.close(descriptor)
            raise RigError(f"the board's serial line is not a terminal: {reason(error)}", where=str(path)) from error
        line = cls(descriptor, protocol)
        protocol.connection_made(line)
        line.resume_reading()
        return line

    def write(self, data: Any) -> None:
        if self._descriptor is None:
            return
        idle = not self._waiting
        self._waiting += data
        if idle:
            self._write()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Pause the protocol while more than ``high`` bytes wait for the board, until none do."""
        self._high_water = high or 0

    def _write(self) -> None:
        assert self._descriptor is not None
        try:
            sent = os.write(self._descriptor, self._waiting[:CHUNK])
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            return self._lost()
        del self._waiting[:sent]
        if self._waiting:
            self._loop.add_writer(self._descriptor, self._write)
            if not self._paused and len(self._waiting) > self._high_water:
                self._paused = True
                self._protocol.pause_writing()
            return None
        self._loop.remove_writer(self._descriptor)
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()
        return None

    def _read(self) -> None:
        assert self._descriptor is not None
        try:
            data = os.read(self._descriptor, CHUNK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data = b""
        return self._protocol.data_received(data) if data else self._lost()

    def pause_reading(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        if self._descriptor is not None:
            self._loop.add_reader(self._descriptor, self._read)

    def is_closing(self) -> bool:
        return self._descriptor is None

    def close(self) -> None:
        """Close the line. Bytes that were not written yet are dropped, because the board has no power."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
            os.close(descriptor)

    abort = close

    def _lost(self) -> None:
        self.close()
        self._protocol.connection_lost(None)
