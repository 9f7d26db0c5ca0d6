"""Reads and writes CBOR item by item, as the original does.

A CBOR library does not serve: some of the original's messages are not well-formed (RFC 8949, section 5.3.1), since more
items follow an array header than it says. Strings and containers have a definite length, and an integer may have any
width. Nothing is built that is much larger than the bytes that arrived.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import cbor2

from harness.wasmbed.protocol.deterministic import MAXIMUM_ITEMS
from harness.wasmbed.protocol.errors import ProtocolError
from harness.wasmbed.protocol.schema import UINT64

__all__ = ["UINT32", "Reader", "array", "float32", "item", "text_map", "texts", "unsigned"]

UINT32 = (1 << 32) - 1

_UNSIGNED, _BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 0, 2, 3, 4, 5, 7
_NAMES = {0: "an unsigned integer", 2: "a byte string", 3: "text", 4: "an array", 5: "a map"}
_FALSE, _TRUE, _NULL, _FLOAT32 = 0xF4, 0xF5, 0xF6, 0xFA


class Reader:
    """Takes one item after the other from ``data``. Each method raises :class:`ProtocolError` with the byte."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def array(self, size: int | None = None) -> int:
        """The number of items that an array header says; ``size`` is the one that it must say."""
        start, count = self.at, self._argument(_ARRAY)
        if size is not None and count != size:
            raise ProtocolError(f"an array of {count}, not {size}", offset=start)
        return count

    def unsigned(self, most: int = UINT64) -> int:
        start, value = self.at, self._argument(_UNSIGNED)
        if value > most:
            raise ProtocolError(f"{value} is above {most}", offset=start)
        return value

    def boolean(self) -> bool:
        if self._first() not in (_FALSE, _TRUE):
            raise ProtocolError("neither true nor false", offset=self.at)
        self.at += 1
        return self._data[self.at - 1] == _TRUE

    def null(self) -> bool:
        """Whether the next item is null, which is then taken."""
        if self._first() != _NULL:
            return False
        self.at += 1
        return True

    def byte_string(self, size: int | None = None) -> bytes:
        start, content = self.at, self._string(_BYTES)
        if size is not None and len(content) != size:
            raise ProtocolError(f"{len(content)} bytes, not {size}", offset=start)
        return content

    def text(self) -> str:
        start = self.at
        return _decoded(self._string(_TEXT), start)

    def text_in_bytes(self) -> str:
        """A byte string that holds UTF-8."""
        start = self.at
        return _decoded(self._string(_BYTES), start)

    def texts(self) -> tuple[str, ...]:
        return tuple([self.text() for _ in range(self._count(_ARRAY, 1))])

    def text_map(self) -> dict[str, str]:
        return {self.text(): self.text() for _ in range(self._count(_MAP, 2))}

    def float32(self) -> float:
        if self._first() != _FLOAT32:
            raise ProtocolError("not a float of 32 bits", offset=self.at)
        content = self._take(5)
        value: float = struct.unpack(">f", content[1:])[0]
        return value

    def _first(self) -> int:
        if self.at >= len(self._data):
            raise ProtocolError("the message is cut off", offset=len(self._data))
        return self._data[self.at]

    def _argument(self, major: int) -> int:
        """The number in an item's head (RFC 8949, section 3)."""
        start, first = self.at, self._first()
        low = first & 31
        if first >> 5 != major or low > 27:
            raise ProtocolError(f"not {_NAMES[major]} of definite length", offset=start)
        content = self._take(1 + (1 << (low - 24) if low > 23 else 0))
        return int.from_bytes(content[1:], "big") if low > 23 else low

    def _string(self, major: int) -> bytes:
        return self._take(self._argument(major))

    def _count(self, major: int, width: int) -> int:
        """The number of elements, each of which takes at least ``width`` bytes."""
        start, count = self.at, self._argument(major)
        if count * width > len(self._data) - self.at:
            raise ProtocolError("the message is cut off", offset=len(self._data))
        if count > MAXIMUM_ITEMS:
            raise ProtocolError(f"more than {MAXIMUM_ITEMS} items in an array or map", offset=start)
        return count

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise ProtocolError("the message is cut off", offset=len(self._data))
        content = self._data[self.at : end]
        self.at = end
        return content


def _decoded(content: bytes, start: int) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("text that is not UTF-8", offset=start) from error


def array(size: int) -> bytes:
    """An array header."""
    return bytes([_ARRAY << 5 | size])


def unsigned(value: int, most: int = UINT64) -> bytes:
    """An integer. Raises :class:`ValueError` if it is not within 0 and ``most``."""
    if value.__class__ is bool or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{value!r} is not within 0 to {most}")
    return cbor2.dumps(int(value))


def item(value: Any, kind: type) -> bytes:
    """A text, a byte string or a boolean; or null for None. Raises :class:`ValueError` for another ``kind``."""
    if value is not None and value.__class__ is not kind:
        raise ValueError(f"{value!r:.40} is not of type {kind.__name__}")
    return cbor2.dumps(value)


def texts(values: Sequence[str]) -> bytes:
    """An array of texts."""
    if isinstance(values, str):
        raise ValueError("a string, not a sequence")
    return cbor2.dumps([_text(value) for value in values])


def text_map(values: Mapping[str, str]) -> bytes:
    """A map of texts."""
    return cbor2.dumps({_text(name): _text(value) for name, value in values.items()})


def float32(value: float) -> bytes:
    """A float of 32 bits. Raises :class:`ValueError` for one that is too large."""
    try:
        return bytes([_FLOAT32]) + struct.pack(">f", value)
    except (OverflowError, struct.error) as error:
        raise ValueError(f"{value!r} is not a float of 32 bits") from error


def _text(value: Any) -> str:
    if value.__class__ is not str:
        raise ValueError(f"{value!r:.40} is not text")
    text: str = value
    return text
