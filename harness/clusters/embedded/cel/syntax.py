"""The syntax tree of an expression, read from what the library serializes (``cel/expr/syntax.proto``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Node", "Tree", "read_tree"]

_KINDS = {3: "constant", 4: "name", 5: "select", 6: "call", 7: "list", 8: "struct", 9: "comprehension"}
_CONSTANTS = {1: "null", 2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}


@dataclass(slots=True)
class Node:
    """One expression: a name, a select, a call, a comprehension."""

    number: int
    kind: str
    text: str = ""
    """A name, the field of a select, a call's function, the type of a constant, a comprehension's variable."""
    tested: bool = False
    """Of a select: whether it is only ``has()``."""
    parts: list[Node] = field(default_factory=list)
    """A call's target and arguments; a comprehension's range, start, condition, step and result."""
    accumulator: str = ""
    value: str | None = None
    """Of a constant text."""
    targeted: bool = False
    """Whether a call's first part is its target."""

    def walk(self) -> Iterator[Node]:
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression, and where its nodes begin in the source, in characters."""

    root: Node
    positions: dict[int, int]


def read_tree(serialized: bytes) -> Tree:
    """The tree of a serialized expression."""
    checked, fields = False, _members(serialized)
    for number, value in fields:
        if number == 1 and isinstance(value, bytes):
            checked = value.endswith(b"CheckedExpr")
        elif number == 2 and isinstance(value, bytes):
            inner = dict(_members(value))
            expression, info = (inner[4], inner[5]) if checked else (inner[2], inner[3])
            assert isinstance(expression, bytes)
            assert isinstance(info, bytes)
            return Tree(_node(expression), dict(_positions(info)))
    raise ValueError("an expression without a tree")


def _positions(info: bytes) -> Iterator[tuple[int, int]]:
    for number, value in _members(info):
        if number == 4 and isinstance(value, bytes):
            entry = dict(_members(value))
            key, place = entry.get(1, 0), entry.get(2, 0)
            if isinstance(key, int) and isinstance(place, int):
                yield key, place


def _node(data: bytes) -> Node:
    made = Node(0, "")
    for number, value in _members(data):
        if number == 2 and isinstance(value, int):
            made.number = value
        elif number in _KINDS and isinstance(value, bytes):
            made.kind = _KINDS[number]
            _fill(made, value)
    return made


def _fill(made: Node, data: bytes) -> None:
    for number, value in _members(data):
        if made.kind == "constant":
            made.text = _CONSTANTS.get(number, "")
            if made.text == "string" and isinstance(value, bytes):
                made.value = value.decode()
        elif isinstance(value, int):
            made.tested = made.tested or (made.kind == "select" and number == 3 and bool(value))
        elif made.kind == "name":
            made.text = value.decode()
        elif made.kind == "select":
            if number == 1:
                made.parts.append(_node(value))
            else:
                made.text = value.decode()
        elif made.kind == "call":
            if number == 2:
                made.text = value.decode()
            else:
                made.targeted = made.targeted or number == 1
                made.parts.append(_node(value))
        elif made.kind == "list":
            if number == 1:
                made.parts.append(_node(value))
        elif made.kind == "comprehension":
            if number == 1:
                made.text = value.decode()
            elif number == 3:
                made.accumulator = value.decode()
            elif number in (2, 4, 5, 6, 7):
                made.parts.append(_node(value))


def _members(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
        elif wire == 2:
            length, position = _varint(data, position)
            yield number, data[position : position + length]
            position += length
        else:
            width = 8 if wire == 1 else 4
            yield number, int.from_bytes(data[position : position + width], "little")
            position += width


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
