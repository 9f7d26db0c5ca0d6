"""Lines that tell whether they are whole: length and CRC-32 in hexadecimal, then JSON, then a newline.

JSON as orjson writes it holds no newline. So what a crash left of the last line differs from a line that
was whole once and has changed since.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import RigError, reason

__all__ = ["Lines", "damaged", "line"]

_HEAD = 18
_SECTOR = 512
"""Bytes that a disk writes at once. Until then a log has zeros there, which JSON does not have."""


def line(payload: bytes) -> bytes:
    """The line that holds ``payload``."""
    return b"%08x %08x %b\n" % (len(payload), zlib.crc32(payload), payload)


class Lines:
    """The values in a file, each with the byte at which its line begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.end = 0
        """The byte after the last whole line; what follows it was never finished."""

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Raises :class:`RigError` for a file that cannot be read, and for damage, with its place."""
        self.end = 0
        try:
            with self._path.open("rb") as file:
                for text in file:
                    if _unfinished(text, self.end) and not any(map(_is_whole, file)):
                        return
                    value = self._value(text)
                    place, self.end = self.end, self.end + len(text)
                    yield place, value
        except OSError as error:
            raise RigError(
                f"cannot be read: {reason(error)}", where=str(self._path), do="make the file readable"
            ) from error

    def _value(self, text: bytes) -> Any:
        payload = text[_HEAD:-1]
        if line(payload) != text:
            raise damaged(self._path, self.end, "length or checksum of the record do not match")
        try:
            return orjson.loads(payload)
        except ValueError:
            raise damaged(self._path, self.end, "not JSON") from None


def _is_whole(text: bytes) -> bool:
    return line(text[_HEAD:-1]) == text


def _unfinished(text: bytes, place: int) -> bool:
    """Whether a part of the line at byte ``place`` may never have been written: its end, or a whole sector."""
    text = text.rstrip(b"\0")
    edges = [0, *range(_SECTOR - place % _SECTOR, len(text), _SECTOR), len(text)]
    if not all(text[start:end].strip(b"\0") for start, end in pairwise(edges)):
        return True
    if text.endswith(b"\n"):
        return False
    if len(text) < _HEAD:
        return True
    try:
        return len(text) <= _HEAD + int(text[:8], 16)
    except ValueError:
        return False


def damaged(path: Path, place: int, what: str) -> RigError:
    """The refusal of a file that is not as it was written. A crash does not do this, so nothing is dropped silently."""
    rest = ""
    if path.suffix == ".log":
        rest = f"; what is before the damage is had back by cutting the file there (truncate -s {place} {path.name}) "
        rest += "and removing the files with higher numbers"
    elif max(path.parent.glob(f"*{path.suffix}")) != path:
        rest = "; the later snapshot is used once this file is removed"
    do = f"restore the state folder from a copy, or begin with a new one{rest}"
    return RigError(f"damaged at byte {place}: {what}", where=str(path), do=do)
