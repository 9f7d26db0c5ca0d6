"""Checks that bytes are one CBOR item in the wire's profile, before anything is built from them.

The profile (see ``wasmbed.cddl``) is the core deterministic encoding of RFC 8949, section 4.2.1, without CBOR tags,
with keys that are integers or strings, and with bounds on nesting and on the number of items. The CBOR library
accepts more than that, and tags could make it build far more than arrived; after this check it cannot.
"""

from __future__ import annotations

import struct

from harness.wasmbed.protocol.errors import ProtocolError

__all__ = ["MAXIMUM_DEPTH", "MAXIMUM_ITEMS", "check_item"]

MAXIMUM_DEPTH = 16
"""Arrays and maps inside each other, the envelope counted."""
MAXIMUM_ITEMS = 1 << 14
"""Elements of all arrays plus keys and values of all maps: bounds what a frame becomes in memory."""

_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}


def check_item(data: bytes, *, text: bool = False) -> None:
    """Raise :class:`ProtocolError` unless ``data`` is exactly one item in the profile.

    Checks that texts are UTF-8 only for ``text``: the CBOR library checks that as well, but does not say where.
    """
    end = len(data)
    at = items = 0
    # Of the innermost open array or map: how many items are to come, and for a map the last key's encoding.
    remaining = 1
    previous: bytes | None = None
    outer: list[tuple[int, bytes | None]] = []
    while True:
        while remaining == 0:
            if not outer:
                if at != end:
                    raise ProtocolError(f"{end - at} bytes after the end of the message", offset=at)
                return
            remaining, previous = outer.pop()
        if at >= end:
            raise ProtocolError("the message is cut off", offset=end)
        start = at
        major, argument = data[at] >> 5, data[at] & 31
        at += 1
        remaining -= 1
        is_key = previous is not None and remaining & 1
        if major == 7:
            at = _check_simple(data, at, argument)
        elif argument > 23:
            if argument > 27:
                raise ProtocolError(
                    "an item of indefinite length" if argument == 31 else "a malformed item", offset=start
                )
            least = _SMALLEST[argument]
            width = 1 << (argument - 24)
            argument = int.from_bytes(data[at : at + width], "big")
            at += width
            if argument < least and at <= end:
                raise ProtocolError("an integer or length that is not in its shortest form", offset=start)
        if major in (2, 3):
            at += argument
            if text and major == 3 and at <= end and not _is_text(data[at - argument : at]):
                raise ProtocolError("text that is not UTF-8", offset=start)
        if at > end:
            raise ProtocolError("the message is cut off", offset=end)
        if major in (4, 5):
            count = argument << (major - 4)
            items += count
            if count > end - at:
                raise ProtocolError("the message is cut off", offset=end)
            if items > MAXIMUM_ITEMS:
                raise ProtocolError(f"more than {MAXIMUM_ITEMS} items in a message", offset=start)
            if len(outer) == MAXIMUM_DEPTH:
                raise ProtocolError(f"more than {MAXIMUM_DEPTH} levels of nesting", offset=start)
        elif major == 6:
            raise ProtocolError("a CBOR tag, which the protocol has no use for", offset=start)
        if is_key:
            if major > 3:
                raise ProtocolError("a map key that is neither an integer nor a string", offset=start)
            key = data[start:at]
            if previous is not None and key <= previous:
                raise ProtocolError("a duplicate map key" if key == previous else "map keys out of order", offset=start)
            previous = key
        elif major in (4, 5) and count:
            outer.append((remaining, previous))
            remaining = count
            previous = b"" if major == 5 else None


def _check_simple(data: bytes, at: int, argument: int) -> int:
    """Judge a simple value or float whose first byte ends before ``at``; returns where it ends."""
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


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


_FLOATS = {2: "e", 4: "f", 8: "d"}
