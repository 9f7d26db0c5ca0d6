"""Reads the JSON that another program and an API server send each other, as it passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from harness.wasmbed.resources.api import Object

__all__ = ["EventLines", "metadata_of", "read_json"]

_LINE_LIMIT = 16 << 20
"""Bytes of a watch event that are read to record it; a longer one passes unrecorded."""


class EventLines:
    """Finds the events, one JSON document a line, in a stream that passes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def push(self, piece: bytes) -> Iterator[Object]:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            whole, self._rest = bytes(self._rest) + line, bytearray()
            if not self._is_too_long and isinstance(event := read_json(whole), dict):
                yield event
            self._is_too_long = False
        self._rest += rest
        if len(self._rest) > _LINE_LIMIT:
            self._rest.clear()
            self._is_too_long = True


def read_json(data: bytes | memoryview) -> Any:
    """The content of a body; None where it is in another encoding."""
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def metadata_of(stored: Any) -> Mapping[str, Any]:
    found = stored.get("metadata") if isinstance(stored, dict) else None
    return found if isinstance(found, dict) else {}
