"""Answers in small pieces, so that a client that does not read holds little of the server's memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

__all__ = ["PIECE", "begun", "gathered"]

PIECE = 64 << 10
"""Bytes that are handed to a connection in one go."""


def gathered(parts: Iterable[bytes]) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of at most :data:`PIECE`: small parts are joined, large ones are cut without a copy."""
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        if waiting and size + len(part) > PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
        if len(part) <= PIECE:
            waiting.append(part)
            size += len(part)
            continue
        view = memoryview(part)
        for start in range(0, len(part), PIECE):
            yield view[start : start + PIECE]
    if waiting:
        yield b"".join(waiting)


def begun(parts: Iterator[bytes], limit: int) -> tuple[Iterator[bytes], bool]:
    """The parts, and whether they are more than ``limit`` bytes. Reads only as many as that takes."""
    first: list[bytes] = []
    size = 0
    for part in parts:
        first.append(part)
        size += len(part)
        if size > limit:
            return chain(first, parts), True
    return iter(first), False
