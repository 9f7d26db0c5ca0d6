"""The check that bytes are one CBOR item in the protocol's profile, before the CBOR library decodes them.

The profile (see ``wasmbed.cddl``) is the core deterministic encoding of RFC 8949, section 4.2.1, without CBOR tags,
with keys that are integers or strings, and with bounds on nesting and on the number of items. The CBOR library
accepts more, and tags could make it build far more than arrived; this check rules that out.
"""

from __future__ import annotations

import struct

from harness.wasmbed.protocol.errors import ProtocolError

__all__ = ["MAXIMUM_DEPTH", "MAXIMUM_ITEMS", "check_item"]

MAXIMUM_DEPTH = 16
"""The deepest nesting of arrays and maps, including the envelope."""
MAXIMUM_ITEMS = 1 << 14
"""Elements of all arrays plus keys and values of all maps in a frame: bounds the memory that its content takes."""

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7
"""CBOR's major types (RFC 8949, section 3.1); 0 and 1 are integers."""
_STRINGS, _CONTAINERS = (_BYTES, _TEXT), (_ARRAY, _MAP)
_SHORT = 24
"""An argument below this is in the first byte of its item."""
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
"""The smallest argument that may be written in the bytes after the first, by the first byte's lower five bits."""


def check_item(data: bytes, *, text: bool = False) -> None:
    """Raise :class:`ProtocolError` unless ``data`` is exactly one item in the profile.

    With ``text`` it also checks that texts are UTF-8. The CBOR library checks that too, but does not say where.
    """
    # One loop without recursion or an object for its state: it runs for every item of every message.
    end, at, announced = len(data), 0, 0
    remaining, last_key = 1, None  # of the innermost open array or map: items to come, and a map's last key
    enclosing: list[tuple[int, bytes | None]] = []  # the same of the arrays and maps around it
    while True:
        if remaining == 0:
            if not enclosing:
                return _check_end(at, end)
            remaining, last_key = enclosing.pop()
            continue
        if at >= end:
            raise _cut_off(end)
        start, is_key = at, last_key is not None and not remaining & 1
        remaining -= 1
        first = data[start]
        at += 1
        major, argument = first >> 5, first & 31
        if argument < _SHORT and (major == 0 or (major == _TEXT and not text)):  # most items
            if major == _TEXT:
                at += argument
                if at > end:
                    raise _cut_off(end)
            if is_key:
                key = data[start:at]
                if last_key is not None and key <= last_key:
                    _check_key(major, key, last_key, start)  # which says what is wrong
                last_key = key
            continue
        if major == _SIMPLE:
            at = _check_simple(data, at, argument)
        elif argument > 23:
            argument, at = _read_long_argument(data, start, argument)
        if major in _STRINGS:
            at += argument
        if at > end:
            raise _cut_off(end)
        if text and major == _TEXT:
            _check_text(data[at - argument : at], start)
        count = 0
        if major in _CONTAINERS:
            count = argument * (2 if major == _MAP else 1)
            announced += count
            _check_size(count, announced, len(enclosing), start, available=end - at, end=end)
        elif major == _TAG:
            raise ProtocolError("a CBOR tag, which the protocol has no use for", offset=start)
        if is_key:
            last_key = _check_key(major, data[start:at], last_key, start)
        elif count:
            enclosing.append((remaining, last_key))
            remaining, last_key = count, b"" if major == _MAP else None


def _check_end(at: int, end: int) -> None:
    if at != end:
        raise ProtocolError(f"{end - at} bytes after the end of the message", offset=at)


def _cut_off(end: int) -> ProtocolError:
    return ProtocolError("the message is cut off", offset=end)


def _read_long_argument(data: bytes, start: int, size: int) -> tuple[int, int]:
    """Read the argument of the item at ``start`` from the bytes after the first; returns it and where it ends."""
    if size > 27:
        raise ProtocolError("an item of indefinite length" if size == 31 else "a malformed item", offset=start)
    end = start + 1 + (1 << (size - 24))
    argument = int.from_bytes(data[start + 1 : end], "big")
    if argument < _SMALLEST[size] and end <= len(data):
        raise ProtocolError("an integer or length that is not in its shortest form", offset=start)
    return argument, end


def _check_text(content: bytes, start: int) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("text that is not UTF-8", offset=start) from error


def _check_size(count: int, announced: int, depth: int, start: int, *, available: int, end: int) -> None:
    """Check that an array or map of ``count`` items fits the data and the bounds."""
    if count > available:
        raise _cut_off(end)
    if announced > MAXIMUM_ITEMS:
        raise ProtocolError(f"more than {MAXIMUM_ITEMS} items in a message", offset=start)
    if depth == MAXIMUM_DEPTH:
        raise ProtocolError(f"more than {MAXIMUM_DEPTH} levels of nesting", offset=start)


def _check_key(major: int, key: bytes, last_key: bytes | None, start: int) -> bytes:
    """Return the encoded ``key`` if it may follow the map's last key."""
    if major > _TEXT:
        raise ProtocolError("a map key that is neither an integer nor a string", offset=start)
    if last_key is not None and key <= last_key:
        raise ProtocolError("a duplicate map key" if key == last_key else "map keys out of order", offset=start)
    return key


def _check_simple(data: bytes, at: int, argument: int) -> int:
    """Check a simple value or float whose first byte is before ``at``; returns where it ends."""
    if argument < 20 or argument == 24:
        raise ProtocolError("an unassigned simple value", offset=at - 1)
    if argument < 24:
        return at
    if argument > 27:
        reason = "a break outside an item of indefinite length" if argument == 31 else "a malformed item"
        raise ProtocolError(reason, offset=at - 1)
    width = 1 << (argument - 24)
    content = data[at : at + width]
    if len(content) == width and not _is_shortest_float(content):
        raise ProtocolError("a float that is not in its shortest form", offset=at - 1)
    return at + width


def _is_shortest_float(content: bytes) -> bool:
    value: float = struct.unpack(f">{_FLOATS[len(content)]}", content)[0]
    if value != value:
        return content == b"\x7e\x00"
    if len(content) == 2:
        return True
    shorter = f">{_FLOATS[len(content) // 2]}"
    try:
        return bool(struct.unpack(shorter, struct.pack(shorter, value))[0] != value)
    except OverflowError:
        return True


_FLOATS = {2: "e", 4: "f", 8: "d"}
