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
"""The deepest nesting of arrays and maps, including the envelope."""
MAXIMUM_ITEMS = 1 << 14
"""Elements of all arrays plus keys and values of all maps in a frame: bounds the memory that its content takes."""

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7
"""CBOR's major types (RFC 8949, section 3.1); 0 and 1 are integers."""
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
"""The smallest argument that may be written in the bytes after the first, by the first byte's lower five bits."""


def check_item(data: bytes, *, text: bool = False) -> None:
    """Raise :class:`ProtocolError` unless ``data`` is exactly one item in the profile.

    With ``text`` it also checks that texts are UTF-8. The CBOR library checks that too, but does not say where.
    """
    _ItemChecker(data, text).check()


class _ItemChecker:
    """Walks over one item and everything in it, without recursion."""

    __slots__ = ("_at", "_data", "_end", "_items", "_last_key", "_open", "_remaining", "_text")

    def __init__(self, data: bytes, text: bool) -> None:
        self._data, self._end, self._text = data, len(data), text
        self._at = 0
        self._items = 0
        """The elements, keys and values announced so far."""
        self._remaining = 1
        """The items still to come in the innermost open array or map."""
        self._last_key: bytes | None = None
        """The encoding of the last key of the innermost open map; None in an array."""
        self._open: list[tuple[int, bytes | None]] = []
        """The remaining items and the last key of each array or map around the innermost one."""

    def check(self) -> None:
        """Check item after item to the end of the data."""
        while self._enter_next():
            start, is_key = self._at, self._last_key is not None and self._remaining % 2 == 0
            self._remaining -= 1
            major, argument = self._read_head(start)
            if major in (_BYTES, _TEXT):
                self._skip_string(start, argument, is_text=major == _TEXT)
            elif major in (_ARRAY, _MAP):
                self._check_size(start, count := argument * (2 if major == _MAP else 1))
            elif major == _TAG:
                raise ProtocolError("a CBOR tag, which the protocol has no use for", offset=start)
            if is_key:
                self._check_key(start, major)
            elif major in (_ARRAY, _MAP) and count:
                self._open.append((self._remaining, self._last_key))
                self._remaining, self._last_key = count, b"" if major == _MAP else None

    def _enter_next(self) -> bool:
        """Close the arrays and maps that are complete; return whether another item follows."""
        while self._remaining == 0:
            if not self._open:
                if self._at != self._end:
                    raise ProtocolError(f"{self._end - self._at} bytes after the end of the message", offset=self._at)
                return False
            self._remaining, self._last_key = self._open.pop()
        if self._at >= self._end:
            raise self._cut_off()
        return True

    def _read_head(self, start: int) -> tuple[int, int]:
        """Read an item's major type and argument. Simple values and floats are checked whole."""
        major, argument = self._data[start] >> 5, self._data[start] & 31
        self._at = start + 1
        if major == _SIMPLE:
            self._at = _check_simple(self._data, self._at, argument)
        elif argument > 23:
            argument = self._read_long_argument(start, argument)
        if self._at > self._end:
            raise self._cut_off()
        return major, argument

    def _read_long_argument(self, start: int, size: int) -> int:
        if size > 27:
            raise ProtocolError("an item of indefinite length" if size == 31 else "a malformed item", offset=start)
        width = 1 << (size - 24)
        argument = int.from_bytes(self._data[self._at : self._at + width], "big")
        self._at += width
        if argument < _SMALLEST[size] and self._at <= self._end:
            raise ProtocolError("an integer or length that is not in its shortest form", offset=start)
        return argument

    def _skip_string(self, start: int, length: int, *, is_text: bool) -> None:
        content = self._at
        self._at += length
        if self._at > self._end:
            raise self._cut_off()
        if self._text and is_text and not _is_text(self._data[content : self._at]):
            raise ProtocolError("text that is not UTF-8", offset=start)

    def _check_size(self, start: int, count: int) -> None:
        """Check that an array or map of ``count`` items stays within the bounds."""
        self._items += count
        if count > self._end - self._at:
            raise self._cut_off()
        if self._items > MAXIMUM_ITEMS:
            raise ProtocolError(f"more than {MAXIMUM_ITEMS} items in a message", offset=start)
        if len(self._open) == MAXIMUM_DEPTH:
            raise ProtocolError(f"more than {MAXIMUM_DEPTH} levels of nesting", offset=start)

    def _check_key(self, start: int, major: int) -> None:
        """Check that the item from ``start`` on is a key, and comes after the map's last key."""
        if major > _TEXT:
            raise ProtocolError("a map key that is neither an integer nor a string", offset=start)
        key = self._data[start : self._at]
        if self._last_key is not None and key <= self._last_key:
            reason = "a duplicate map key" if key == self._last_key else "map keys out of order"
            raise ProtocolError(reason, offset=start)
        self._last_key = key

    def _cut_off(self) -> ProtocolError:
        return ProtocolError("the message is cut off", offset=self._end)


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
