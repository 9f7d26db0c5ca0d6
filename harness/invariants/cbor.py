"""A second reader of CBOR (RFC 8949), which shares no code with either end of a link, for the judges.

Reads every well-formed item, and says besides what breaks the deterministic encoding of section 4.2.1 and the profile
of ``wasmbed.cddl``. Of a long frame only the beginning may be at hand: what lies behind it is not judged.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Frame", "Item", "mask_secrets", "read_frame"]

DEPTH = 16
ITEMS = 1 << 14
SECRET_FIELD = 8
"""The pairing token of an enrollment request, and the environment of a deploy."""
UNKNOWN_HEAD = 32
"""Bytes that are kept of a frame that cannot be read, so that nothing secret is."""
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_LEAST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
_FLOATS: dict[int, Literal["e", "f", "d"]] = {2: "e", 4: "f", 8: "d"}
_KINDS = ("unsigned integer", "negative integer", "byte string", "text", "array", "map", "tag", "simple value")


@dataclass(slots=True)
class Item:
    """One data item. ``value``: an int; bytes of a byte string or a text, None where they were not recorded; a list of
    items; a list of pairs of items; the item that a tag stands before; for a simple value or a float, itself."""

    major: int
    value: Any
    start: int
    content: int = 0
    """Where the content of a string begins."""
    end: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether not even its value, or its number of elements, was recorded."""
        return not self.end and self.value is None

    @property
    def length(self) -> int:
        """Bytes of a string."""
        return self.end - self.content

    @property
    def kind(self) -> str:
        """In words."""
        return _KINDS[self.major]

    def __str__(self) -> str:
        if self.major in (0, 1, 7):
            return repr(self.value).lower() if isinstance(self.value, bool) else repr(self.value)
        if self.major == 3 and isinstance(self.value, bytes):
            return repr(self.value.decode("utf-8", "replace"))[:80]
        size = f" of {self.length} bytes" if self.major in (2, 3) else ""
        return self.kind + size


@dataclass(slots=True)
class Frame:
    """A frame's payload as it was read."""

    item: Item | None = None
    """None where not even the first item could be begun."""
    faults: list[str] = field(default_factory=list)
    whole: bool = True
    """Whether all of it was recorded."""
    broken: bool = False
    """Whether reading ended early, because of the last of the faults."""


class _Cut(Exception):
    """The bytes at the reading position were not recorded."""


class _Malformed(Exception):
    """The end of an item is unknown, so no later item can be read."""


def read_frame(head: bytes, size: int) -> Frame:
    """Read a payload of ``size`` bytes that begins with ``head``. Never raises, whatever the bytes."""
    reader, begun = _Reader(head, size), list[Item]()
    frame = Frame(faults=reader.faults)
    try:
        reader.read(0, begun)
        if reader.at != size:
            reader.faults.append(f"{size - reader.at} bytes after the end of the message (byte {reader.at})")
    except _Cut:
        frame.whole = False
    except _Malformed:
        frame.broken = True
    frame.item = next(iter(begun), None)
    return frame


class _Reader:
    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data[:size], size
        self.at = 0
        self.items = 0
        self.faults: list[str] = []

    def read(self, depth: int, kept: list[Item]) -> Item:
        """The next item. ``kept`` gets it before its content is read, which may not all be there."""
        start, data = self.at, self.data
        if start >= len(data):
            if start >= self.size:
                raise self._malformed("the message is cut off", start)
            raise _Cut
        first = data[start]
        self.at = start + 1
        if first < 24:  # every second item: an integer in one byte
            item = Item(0, first, start, 0, start + 1)
            kept.append(item)
            return item
        major, argument = first >> 5, first & 31
        item = Item(major, None, start)
        kept.append(item)
        if major == 7:
            item.value = self._simple(argument, start)
            item.end = self.at
            return item
        if argument > 23:
            argument = self._long_argument(argument, start)
        if major == 0:
            item.value = argument
        elif major == 1:
            item.value = -1 - argument
        elif major in (2, 3):
            item.content = self.at
            item.value = self._string(argument, item)
        elif major == 4:
            self._open(item, argument, depth)
            inside: list[Item] = []
            item.value = inside
            for _ in range(argument):
                self.read(depth + 1, inside)
        elif major == 5:
            self._open(item, 2 * argument, depth)
            self._read_pairs(item, argument, depth + 1)
        else:
            self._fault("a tag, which the protocol does not use", start)
            inside = []
            try:
                self.read(depth + 1, inside)
            finally:
                item.value = next(iter(inside), None)
        item.end = self.at
        return item

    def _long_argument(self, information: int, start: int) -> int:
        width = _WIDTHS.get(information)
        if width is None:
            what = "an item of indefinite length" if information == 31 else "a reserved additional information"
            raise self._malformed(what, start)
        value = int.from_bytes(self._bytes(width), "big")
        if value < _LEAST[information]:
            self._fault("an integer or length that is not in its shortest form", start)
        return value

    def _read_pairs(self, item: Item, count: int, depth: int) -> None:
        last, inside = b"", list[Item]()
        try:
            for _ in range(count):
                key = self.read(depth, inside)
                if key.major > 3:
                    self._fault("a map key that is neither an integer nor a string", key.start)
                encoded = self.data[key.start : key.end]
                if encoded <= last:
                    what = "a map key that stands there twice" if encoded == last else "map keys out of order"
                    self._fault(what, key.start)
                last = encoded
                self.read(depth, inside)
        finally:  # a key whose value was not begun is none of the pairs
            item.value = list(zip(inside[::2], inside[1::2], strict=False))

    def _string(self, length: int, item: Item) -> bytes | None:
        begin, end = self.at, self.at + length
        if end > self.size:
            raise self._malformed("the message is cut off", begin)
        self.at = end
        if end > len(self.data):
            return None
        content = self.data[begin:end]
        if item.major == 3:
            try:
                content.decode()
            except UnicodeDecodeError:
                self._fault("text that is not UTF-8", item.start)
        return content

    def _open(self, item: Item, items: int, depth: int) -> None:
        self.items += items
        if depth >= DEPTH:
            raise self._malformed(f"more than {DEPTH} levels of nesting", item.start)
        if items > self.size - self.at:
            raise self._malformed("the message is cut off", item.start)
        if self.items > ITEMS:
            raise self._malformed(f"more than {ITEMS} items in a message", item.start)

    def _simple(self, argument: int, start: int) -> Any:
        if argument < 20 or argument == 24:
            self._fault("an unassigned simple value", start)
            if argument == 24:
                self._bytes(1)
            return None
        if argument < 24:
            return (False, True, None, ...)[argument - 20]
        if argument > 27:
            raise self._malformed("a break, or a reserved additional information", start)
        content = self._bytes(_WIDTHS[argument])
        value = struct.unpack(f">{_FLOATS[len(content)]}", content)[0]
        if not _is_shortest(content, value):
            self._fault("a float that is not in its shortest form", start)
        return value

    def _bytes(self, count: int) -> bytes:
        begin, end = self.at, self.at + count
        if end > len(self.data):
            if end > self.size:
                raise self._malformed("the message is cut off", begin)
            raise _Cut
        self.at = end
        return self.data[begin:end]

    def _fault(self, what: str, offset: int) -> None:
        self.faults.append(f"{what} (byte {offset})")

    def _malformed(self, what: str, offset: int) -> _Malformed:
        self._fault(what, offset)
        return _Malformed()


def _is_shortest(content: bytes, value: float) -> bool:
    if value != value:
        return content == b"\x7e\x00"
    for width in (2, 4):
        if width >= len(content):
            return True
        try:
            if struct.unpack(f">{_FLOATS[width]}", struct.pack(f">{_FLOATS[width]}", value))[0] == value:
                return False
        except OverflowError:
            continue
    return True


def mask_secrets(frame: str, size: int) -> str:
    """A frame's recorded beginning, base64, with asterisks in place of secrets, so that what it is made of stays
    readable. Of a frame in which they cannot be found little is left."""
    head = b64decode(frame)
    read = read_frame(head, size)
    body = _body(read.item)
    if body is None or read.broken:
        return b64encode(head[:UNKNOWN_HEAD]).decode()
    assert read.item is not None
    masked = bytearray(head[: read.item.end] if read.whole else head)
    for key, value in body:
        if key.value == SECRET_FIELD:
            for secret in _strings(value):
                end = min(secret.end, len(head))
                masked[secret.content : end] = b"*" * (end - secret.content)
    return b64encode(bytes(masked)).decode()


def _body(item: Item | None) -> list[tuple[Item, Item]] | None:
    """The fields of a message: the map in the pair that is the envelope's third element."""
    for major, index in ((4, 2), (4, 1)):
        if item is None or item.major != major or not isinstance(item.value, list) or len(item.value) <= index:
            return None
        item = item.value[index]
    return item.value if item is not None and item.major == 5 and isinstance(item.value, list) else None


def _strings(item: Item) -> Iterator[Item]:
    """The strings of a value; of a map those of its values."""
    if item.major in (2, 3):
        yield item
    elif item.major == 4:
        for each in item.value or ():
            yield from _strings(each)
    elif item.major == 5:
        for _, value in item.value or ():
            yield from _strings(value)
