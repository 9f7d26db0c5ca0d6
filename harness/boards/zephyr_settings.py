"""Writes a settings partition of Zephyr, in the format of its back end NVS (``subsys/fs/nvs``, ``subsys/settings``).

A sector has data from its beginning and allocation table entries of eight bytes from its end; the very last one closes
it, and one sector stays empty for the garbage collection. A setting is two records: its name, and its value with the
name's id plus 0x4000.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

__all__ = ["NoRoom", "settings_partition"]

_COUNT, _VALUES = 0x8000, 0x4000
_ENTRY = struct.Struct("<HHHB")
_SIZE = 8
"""Bytes of an entry; data is aligned to as many, which suits every flash that NVS supports."""
_NO_ID, _PART, _ERASED = 0xFFFF, 0xFF, b"\xff"


class NoRoom(Exception):
    """The settings do not fit into the partition."""


def settings_partition(settings: Iterable[tuple[str, bytes]], size: int, sector: int) -> bytes:
    """Return a partition of ``size`` bytes in sectors of ``sector`` bytes with these settings; NVS cannot keep one
    without a value. Raises NoRoom."""
    partition = bytearray(_ERASED * size)
    writer = _Sector(sector)
    begin = 0
    for number, content in _records(settings):
        if not writer.fits(content):
            partition[begin : begin + sector] = writer.closed()
            begin += sector
            writer = _Sector(sector)
            if not writer.fits(content):
                raise NoRoom(f"a record of {len(content)} bytes in sectors of {sector}")
        if begin + 2 * sector > size:
            raise NoRoom(f"all sectors but one are full ({size // sector} of {sector} bytes)")
        writer.write(number, content)
    partition[begin : begin + sector] = writer.content
    return bytes(partition)


def _records(settings: Iterable[tuple[str, bytes]]) -> Iterator[tuple[int, bytes]]:
    last = _COUNT
    for name, value in settings:
        if value:
            last += 1
            yield last + _VALUES, value
            yield last, name.encode()
    yield _COUNT, last.to_bytes(2, "little")


class _Sector:
    def __init__(self, size: int) -> None:
        self.content = bytearray(_ERASED * size)
        self._data, self._entry = 0, size - 2 * _SIZE
        self._put(_NO_ID, 0)  # the garbage collection is done

    def fits(self, content: bytes) -> bool:
        """Whether there is room for it, and for one entry more, which NVS needs to delete."""
        return self._entry >= self._data + _aligned(len(content)) + _SIZE

    def write(self, number: int, content: bytes) -> None:
        self.content[self._data : self._data + len(content)] = content
        self._put(number, len(content))
        self._data += _aligned(len(content))

    def closed(self) -> bytes:
        self.content[-_SIZE:] = _entry(_NO_ID, self._entry + _SIZE, 0)
        return bytes(self.content)

    def _put(self, number: int, length: int) -> None:
        self.content[self._entry : self._entry + _SIZE] = _entry(number, self._data, length)
        self._entry -= _SIZE


def _entry(number: int, offset: int, length: int) -> bytes:
    head = _ENTRY.pack(number, offset, length, _PART)
    return head + bytes([_crc8(head)])


def _crc8(content: bytes) -> int:
    """CRC-8 with the polynomial 0x07, from 0xff: ``crc8_ccitt`` of Zephyr."""
    value = 0xFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value


def _aligned(length: int) -> int:
    return -(-length // _SIZE) * _SIZE
