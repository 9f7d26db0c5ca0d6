"""Accepts, in one pass over its bytes, an item that keeps a contract; almost every frame of a history does.

An acceptor says only that an item is right, in the deterministic encoding of RFC 8949 section 4.2.1, and what its value
is. Whether anything is wrong with another one, and what, the slower :mod:`.cbor` and :mod:`.cddl` find out: an unknown
field, for example, is not accepted here, and no fault there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = [
    "SHOWN_AS_HEX",
    "Accept",
    "Unaccepted",
    "accept_array",
    "accept_boolean",
    "accept_bytes",
    "accept_literals",
    "accept_map",
    "accept_number",
    "accept_pairs",
    "accept_text",
    "accept_tuple",
]

Accept = Callable[[bytes, int], tuple[Any, int]]
"""Returns the value of the item that begins there, as events show it, and where it ends, which may be behind the end of
the bytes. Raises :class:`Unaccepted`, IndexError, or UnicodeDecodeError."""

SHOWN_AS_HEX = 64
"""Bytes up to which an event shows a byte string itself."""
_LEAST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
"""The smallest argument that may be written in the bytes behind the first, by the lower five bits of the first byte."""


class Unaccepted(Exception):
    """The item is not one that can be accepted without a closer look."""


def _read_head(data: bytes, at: int, major: int) -> tuple[int, int]:
    """Return the argument of an item of that major type, and where its content begins."""
    information = data[at] - (major << 5)
    if 0 <= information < 24:
        return information, at + 1
    least = _LEAST.get(information)
    if least is None:
        raise Unaccepted
    end = at + 1 + (1 << (information - 24))
    argument = int.from_bytes(data[at + 1 : end], "big")
    if argument < least:
        raise Unaccepted
    return argument, end


def accept_number(least: int, most: int) -> Accept:
    """Whole numbers from ``least`` to ``most``."""

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        value = data[at]
        if value < 24:
            at += 1
        elif value < 32:
            value, at = _read_head(data, at, 0)
        else:
            value, at = _read_head(data, at, 1)
            value = -1 - value
        if not least <= value <= most:
            raise Unaccepted
        return value, at

    return accept


def accept_text(least: int, most: int | None) -> Accept:
    """Texts of ``least`` to ``most`` bytes; with None of any length."""

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        size, at = _read_head(data, at, 3)
        if most is not None and not least <= size <= most:
            raise Unaccepted
        end = at + size
        return data[at:end].decode(), end

    return accept


def accept_bytes(least: int, most: int | None) -> Accept:
    """Byte strings of ``least`` to ``most`` bytes; an ellipsis for one that events do not show."""

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        size, at = _read_head(data, at, 2)
        if most is not None and not least <= size <= most:
            raise Unaccepted
        end = at + size
        return data[at:end].hex() if size <= SHOWN_AS_HEX else ..., end

    return accept


def accept_boolean(data: bytes, at: int) -> tuple[Any, int]:
    """False and true."""
    if data[at] not in (0xF4, 0xF5):
        raise Unaccepted
    return data[at] == 0xF5, at + 1


def accept_literals(texts: Sequence[str]) -> Accept:
    """One of these texts."""
    wanted, accept_any = frozenset(texts), accept_text(0, None)

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        value, at = accept_any(data, at)
        if value not in wanted:
            raise Unaccepted
        return value, at

    return accept


def accept_array(element: Accept) -> Accept:
    """Arrays of any length."""

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        count, at = _read_head(data, at, 4)
        values = []
        for _ in range(count):
            value, at = element(data, at)
            values.append(value)
        return values, at

    return accept


def accept_tuple(elements: Sequence[Accept]) -> Accept:
    """Arrays of just these elements."""
    first = 0x80 + len(elements)

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        if data[at] != first:
            raise Unaccepted
        at += 1
        values = []
        for element in elements:
            value, at = element(data, at)
            values.append(value)
        return values, at

    return accept


def accept_map(fields: Mapping[int, Accept], required: frozenset[int]) -> Accept:
    """Maps whose keys are field numbers below 24, all of them known."""

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        count, at = _read_head(data, at, 5)
        values, last = {}, -1
        for _ in range(count):
            number = data[at]
            field = fields.get(number)
            if field is None or number <= last:
                raise Unaccepted
            values[number], at = field(data, at + 1)
            last = number
        if not required <= values.keys():
            raise Unaccepted
        return values, at

    return accept


def accept_pairs(key: Accept, value: Accept) -> Accept:
    """Maps of any length, whose encoded keys are in ascending order."""

    def accept(data: bytes, at: int) -> tuple[Any, int]:
        count, at = _read_head(data, at, 5)
        values, last = {}, b""
        for _ in range(count):
            begin = at
            name, at = key(data, at)
            encoded = data[begin:at]
            if encoded <= last:
                raise Unaccepted
            last = encoded
            values[name], at = value(data, at)
        return values, at

    return accept
