"""The wire format of protobuf: tags, numbers of variable length, and pieces with their lengths."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["fields", "fixed", "nested", "number", "piece", "text", "varint", "whole"]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


def varint(value: int) -> bytes:
    """A number; a negative one has ten bytes."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(field << 3) + varint(value)


def nested(field: int, data: bytes) -> bytes:
    """A field that holds bytes, a text or a message."""
    return varint(field << 3 | _LENGTH) + varint(len(data)) + data


def text(field: int, value: str) -> bytes:
    return nested(field, value.encode())


def fixed(field: int, data: bytes) -> bytes:
    """A field that holds a number of eight bytes."""
    return varint(field << 3 | _FIXED64) + data


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: their numbers, and their values as numbers or bytes. Raises :class:`ValueError`."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if wire == _LENGTH:
            size, position = _varint(data, position)
        elif wire in _SIZES:
            size = _SIZES[wire]
        else:
            raise ValueError(f"wire type {wire} is not in use")
        if position + size > len(data):
            raise ValueError("unexpected EOF")
        yield tag >> 3, data[position : position + size]
        position += size


def piece(value: bytes | int) -> bytes:
    """A field's value that has to be bytes."""
    if isinstance(value, int):
        raise ValueError("a number stands where a message is expected")
    return value


def whole(value: bytes | int) -> int:
    """A field's value that has to be a number, with its sign."""
    if not isinstance(value, int):
        raise ValueError("bytes stand where a number is expected")
    return value - (1 << 64) if value >> 63 else value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
