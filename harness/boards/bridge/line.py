"""The discipline of a serial link: connections over a wire that has none.

A UART carries bytes and nothing else, so both ends mark where a connection starts and ends. ``0x10`` (DLE) opens a
two-byte mark:

=========  ==========================================  =======================================
bytes      from the board                              from the bridge
=========  ==========================================  =======================================
``10 10``  the data byte ``0x10``                      the same
``10 4f``  "connect": whatever was before is over      "connected"
``10 43``  "closed"                                    "closed", "could not connect", or "try now"
``10 53``  never                                       "stop in order": close the session, then stand still
``10 41``  "one byte": it gets only what it asks for   never
=========  ==========================================  =======================================

Bytes outside a connection mean nothing and are dropped (line noise, the rest of a dead connection). A board that is
reset in the middle of a mark finds the second half of it on its line, and would take it for the start of one: so such a
byte goes before the answer to "connect", and before what a board says first.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

__all__ = ["NOISE", "Line", "Mark"]

DLE = 0x10
NOISE = b"\0"
"""Ends half a mark, and means nothing outside a connection."""


class Mark(IntEnum):
    """The second byte of a mark."""

    OPEN = 0x4F
    CLOSE = 0x43
    SHUTDOWN = 0x53
    ASK = 0x41

    def wire(self) -> bytes:
        """The mark as it goes over the wire."""
        return bytes((DLE, self))


class Line:
    """Splits what comes in into data and marks, and stuffs what goes out."""

    def __init__(self) -> None:
        self._escaped = False

    @staticmethod
    def stuff(data: bytes) -> bytes:
        """``data`` with every DLE doubled."""
        return data.replace(b"\x10", b"\x10\x10")

    def feed(self, data: bytes) -> Iterator[bytes | Mark]:
        """Data and marks in the order they came. An unknown mark is noise and is dropped."""
        start = 0
        if self._escaped and data:
            self._escaped = False
            yield from self._mark(data[0])
            start = 1
        while start < len(data):
            at = data.find(DLE, start)
            if at < 0:
                yield data[start:]
                return
            if at > start:
                yield data[start:at]
            if at + 1 == len(data):
                self._escaped = True
                return
            yield from self._mark(data[at + 1])
            start = at + 2

    @staticmethod
    def _mark(byte: int) -> Iterator[bytes | Mark]:
        if byte == DLE:
            yield b"\x10"
        elif byte in Mark.__members__.values():
            yield Mark(byte)
