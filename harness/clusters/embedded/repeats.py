"""Fields that a JSON text names twice: a parser keeps the last one, and the API server says so."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

__all__ = ["repeated_fields"]

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a pair, which no text can have."""
_LISTED = 100
"""Fields that an answer lists."""


class _Object(dict[str, Any]):
    """A JSON object that knows which of its names were there before."""

    repeated: tuple[str, ...] = ()


def repeated_fields(text: bytes) -> list[str]:
    """The paths of repeated fields of a valid JSON text, in order."""
    found = False

    def made(pairs: list[tuple[str, Any]]) -> _Object:
        nonlocal found
        value = _Object(pairs)
        if len(value) != len(pairs):
            counts = Counter(name for name, _ in pairs)
            value.repeated = tuple(name for name in value if counts[name] > 1)[:_LISTED]
            found = True
        return value

    whole = json.loads(text.decode("utf-8", "replace"), object_pairs_hook=made)
    if not found:
        return []
    paths: list[str] = []
    _collect(whole, "", paths)
    return [_SURROGATE.sub("\ufffd", path) for path in paths[:_LISTED]]


def _collect(value: Any, path: str, paths: list[str]) -> None:
    if isinstance(value, _Object):
        prefix = f"{path}." if path else ""
        paths.extend(prefix + name for name in value.repeated)
        for name, item in value.items():
            _collect(item, prefix + name, paths)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", paths)
