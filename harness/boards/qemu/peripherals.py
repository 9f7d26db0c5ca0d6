"""The sensors and pins of a board in QEMU: words in its RAM, in the file behind it, while the board runs on.

Their order is that of ``firmware/wasmbed-boards/src/peripherals.rs``; all these boards are little-endian.
"""

from __future__ import annotations

import os
import struct
from typing import IO

from harness.boards.platform import Region
from harness.boards.sensors import CHANNELS

__all__ = ["Peripherals"]

_SENSORS = 0x5345_4E00
_WORD = 4
_PINS = 1 + CHANNELS


class Peripherals:
    """``size`` is that of the memory, whose addresses repeat."""

    def __init__(self, place: Region, size: int) -> None:
        self._at = place.origin % size
        self._values: dict[int, int] = {}

    def set(self, channel: int, value: int | None) -> None:
        """Note the value of a channel, in thousandths; None: it has none."""
        if value is None:
            self._values.pop(channel, None)
        else:
            self._values[channel] = value

    def write(self, memory: IO[bytes]) -> None:
        """Write the values into the memory: the channels that have one come last."""
        values = [self._values.get(channel, 0) for channel in range(CHANNELS)]
        os.pwrite(memory.fileno(), struct.pack(f"<{CHANNELS}i", *values), self._at + _WORD)
        mask = sum(1 << channel for channel in self._values)
        os.pwrite(memory.fileno(), struct.pack("<I", _SENSORS | mask), self._at)

    def pins(self, memory: IO[bytes]) -> frozenset[int]:
        """The output pins that are high."""
        (pins,) = struct.unpack("<I", os.pread(memory.fileno(), _WORD, self._at + _PINS * _WORD))
        return frozenset(pin for pin in range(32) if pins >> pin & 1)
