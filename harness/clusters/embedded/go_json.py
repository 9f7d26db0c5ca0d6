"""JSON as Go reads it: what it takes although it is not valid, and its words for what it does not take."""

from __future__ import annotations

import re
from typing import Any

import orjson

__all__ = ["BadJson", "read_json"]

_EXPLAINED = 256 << 10
"""Bytes of a body whose fault is looked for; longer ones would take too long."""
_DEEPEST = 10_000
_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX = re.compile(rb"[0-9A-Fa-f]{0,4}")
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS = {b"t": b"true", b"f": b"false", b"n": b"null"}
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)
_VALUE, _KEY = "looking for beginning of value", "looking for beginning of object key string"


class BadJson(ValueError):
    """A text that is not JSON; the message is that of Go's ``encoding/json``."""


def read_json(body: bytes) -> Any:
    """The value of a text. What no UTF-8 can be, and half a surrogate pair, becomes U+FFFD. Raises :class:`BadJson`."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    text = body.decode("utf-8", "replace")
    text = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if len(body) > _EXPLAINED:
            raise BadJson(f"the text is not JSON: {error.msg}") from error
        raise BadJson(_Scanner(body).problem()) from error


class _Fault(Exception):
    """Where the text is not JSON, and what was read there."""

    def __init__(self, place: int, what: str) -> None:
        super().__init__(what)
        self.place, self.what = place, what


class _Scanner:
    """Go's scanner, as far as it finds faults."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._place = 0

    def problem(self) -> str:
        try:
            self._scan()
        except _Fault as fault:
            if fault.place >= len(self._body):
                return "unexpected end of JSON input"
            return f"invalid character {_quoted(self._body[fault.place])} {fault.what}"
        return "exceeded max depth"

    def _scan(self) -> None:
        containers: list[bytes] = []
        while True:
            opened = self._value()
            if opened:
                containers.append(opened)
                if len(containers) > _DEEPEST:
                    raise _Fault(self._place - 1, "exceeded max depth")
                if self._peek() != (b"}" if opened == b"{" else b"]"):
                    self._key_of(opened)
                    continue
                self._place += 1
                containers.pop()
            while containers:
                inner, following = containers[-1], self._peek()
                if following == b",":
                    self._place += 1
                    self._key_of(inner)
                    break
                if following != (b"}" if inner == b"{" else b"]"):
                    what = "after object key:value pair" if inner == b"{" else "after array element"
                    raise _Fault(self._place, what)
                self._place += 1
                containers.pop()
            else:
                if self._peek():
                    raise _Fault(self._place, "after top-level value")
                return

    def _peek(self) -> bytes:
        match = _SPACE.match(self._body, self._place)
        self._place = match.end() if match else self._place
        return self._body[self._place : self._place + 1]

    def _key_of(self, container: bytes) -> None:
        if container != b"{":
            return
        if self._peek() != b'"':
            raise _Fault(self._place, _KEY)
        self._string()
        if self._peek() != b":":
            raise _Fault(self._place, "after object key")
        self._place += 1

    def _value(self) -> bytes:
        """Read a value, or the bracket that opens one, which is returned."""
        first = self._peek()
        if first in (b"{", b"["):
            self._place += 1
            return first
        if first == b'"':
            self._string()
        elif first in _LITERALS:
            literal = _LITERALS[first]
            for offset, expected in enumerate(literal):
                if self._body[self._place + offset : self._place + offset + 1] != bytes((expected,)):
                    what = f"in literal {literal.decode()} (expecting {_quoted(expected)})"
                    raise _Fault(self._place + offset, what)
            self._place += len(literal)
        elif first == b"-" or (first and first in b"0123456789"):
            self._number()
        else:
            raise _Fault(self._place, _VALUE)
        return b""

    def _string(self) -> None:
        self._place += 1
        while True:
            self._skip(_PLAIN)
            character = self._body[self._place : self._place + 1]
            self._place += 1
            if character == b'"':
                return
            if character != b"\\":
                raise _Fault(self._place - 1, "in string literal")
            escape = self._body[self._place : self._place + 1]
            if escape == b"u":
                self._place += 1
                if self._skip(_HEX) < 4:
                    raise _Fault(self._place, "in \\u hexadecimal character escape")
            elif not escape or escape not in b'bfnrt\\/"':
                raise _Fault(self._place, "in string escape code")
            else:
                self._place += 1

    def _number(self) -> None:
        if self._body[self._place : self._place + 1] == b"-":
            self._place += 1
        if self._body[self._place : self._place + 1] == b"0":
            self._place += 1
        elif not self._skip(_DIGITS):
            raise _Fault(self._place, "in numeric literal")
        if self._body[self._place : self._place + 1] == b".":
            self._place += 1
            if not self._skip(_DIGITS):
                raise _Fault(self._place, "after decimal point in numeric literal")
        if self._body[self._place : self._place + 1] in (b"e", b"E"):
            self._place += 1
            if self._body[self._place : self._place + 1] in (b"+", b"-"):
                self._place += 1
            if not self._skip(_DIGITS):
                raise _Fault(self._place, "in exponent of numeric literal")

    def _skip(self, pattern: re.Pattern[bytes]) -> int:
        match = pattern.match(self._body, self._place)
        end = match.end() if match else self._place
        skipped, self._place = end - self._place, end
        return skipped


def _quoted(byte: int) -> str:
    """A byte as Go's scanner shows it."""
    character = chr(byte)
    if character == "'":
        return r"'\''"
    if character == '"':
        return "'\"'"
    shown = {"\t": r"\t", "\n": r"\n", "\r": r"\r", "\\": r"\\", "\b": r"\b", "\f": r"\f", "\v": r"\v", "\a": r"\a"}
    if character in shown:
        return f"'{shown[character]}'"
    return f"'{character}'" if character.isprintable() else f"'\\x{byte:02x}'" if byte < 128 else f"'\\u{byte:04x}'"
