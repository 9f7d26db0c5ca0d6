"""A reader of the values in a WebAssembly binary (WebAssembly Core Specification 2.0, chapter 5).

It reads binaries that wasmtime has validated. wasmtime's validation accepts more than its compiler (50.0: compact
imports), so the reader refuses encodings that the specification lacks; it repeats no other check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar, cast

from harness.wasmbed.runtime.limits import MAXIMUM_PARAMETERS, MOST

__all__ = ["InvalidModule", "Reader", "at_most", "leb"]

T = TypeVar("T")

_HEADER_SIZE = 8
_VALUE_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x70: "funcref", 0x6F: "externref"}
_OPERATIONS: dict[int, tuple[int, Callable[[int, int], int]]] = {
    opcode + step: (bits, operation)
    for opcode, bits in ((0x6A, 32), (0x7C, 64))
    for step, operation in enumerate((int.__add__, int.__sub__, int.__mul__))
}
"""The operations of constant expressions (proposal extended-const): the width in bits, and the operation."""
_NUMBERS = (0x41, 0x42)
_OTHERS = {0x23: None, 0x43: 4, 0x44: 8, 0xD0: None, 0xD2: None}
"""The other constants (a global, floats, references) with the number of bytes that follow; None: a LEB128 number."""
_END = 0x0B
_NULLABLE = 0x63
"""The prefix of a reference type in its long form."""


class InvalidModule(ValueError):
    """The module cannot run on any device; ``reason`` says what to change in it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def at_most(limit: int, count: int, subject: str) -> int:
    """Return ``count``. Raises :class:`InvalidModule` if it is above ``limit``."""
    if count > limit:
        raise InvalidModule(f"has {count:,} {subject}, devices take at most {limit:,}")
    return count


def leb(number: int) -> bytes:
    """Encode an unsigned integer as LEB128."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


class Reader:
    """Reads a binary from its first section on; ``at`` is the offset of the next byte."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, _HEADER_SIZE

    def sections(self) -> Iterator[tuple[int, int, int]]:
        """Yield each section's number, its first offset, and the offset after it; ``at`` is at its content."""
        while self.at < len(self.data):
            begin, section, size = self.at, self.byte(), self.u32()
            end = self.at + size
            yield section, begin, end
            self.at = end

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def u32(self) -> int:
        return self._leb()[0]

    def signed(self) -> int:
        number, bits = self._leb()
        return number - (1 << bits) if number >> (bits - 1) else number

    def _leb(self) -> tuple[int, int]:
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number, shift

    def name(self) -> str:
        size = self.u32()
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def count(self, subject: str) -> int:
        """Read the number of a section's entries, and check it."""
        return at_most(MOST[subject], self.u32(), subject)

    def one_of(self, meanings: Mapping[int, T], subject: str) -> T:
        """Return the meaning of the next byte. Raises :class:`InvalidModule` for a byte without one."""
        byte = self.byte()
        if byte not in meanings:
            place = f"{subject} {byte:#x} at offset {self.at - 1:#x}"
            raise InvalidModule(f"uses an encoding that devices do not have: {place}")
        return meanings[byte]

    def value_type(self) -> str:
        if self.data[self.at] == _NULLABLE:
            self.at += 1
        return self.one_of(_VALUE_TYPES, "value type")

    def value_types(self) -> tuple[str, ...]:
        count = at_most(MAXIMUM_PARAMETERS, self.u32(), "parameters or results of a function")
        return tuple([self.value_type() for _ in range(count)])

    def limits(self) -> tuple[int, int | None]:
        has_maximum = self.one_of({0: False, 1: True}, "limits")
        return self.u32(), self.u32() if has_maximum else None

    def constant(self) -> int | None:
        """Return the value of a constant expression; None unless it is an integer known before instantiation."""
        stack: list[int | None] = []
        while (opcode := self.byte()) != _END:
            if opcode in _NUMBERS:
                stack.append(self.signed())
            elif opcode in _OPERATIONS:
                (bits, operation), right, left = _OPERATIONS[opcode], stack.pop(), stack.pop()
                is_known = left is not None and right is not None
                stack.append(operation(cast(int, left), cast(int, right)) % (1 << bits) if is_known else None)
            else:
                self.at -= 1
                size = self.one_of(_OTHERS, "constant expression")
                self.at += size or 0
                if size is None:
                    self.u32()
                stack.append(None)
        return stack.pop()

    def offset(self) -> int | None:
        """Return the offset of a segment: unsigned, 32 bits."""
        value = self.constant()
        return None if value is None else value % (1 << 32)
