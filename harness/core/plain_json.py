"""JSON for reports: every value has a JSON form, and values that JSON lacks become text.

A history, a verdict, and a page carry data of boards, peers, and tests. A single value that an encoder refuses must not
lose the whole report, so these functions never raise for a value.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

__all__ = ["compact", "encode", "plain"]

DEPTH = 64
"""Levels of nesting that are kept; deeper values become text."""
EXACT = 2**53
"""Larger whole numbers lose digits in a browser, and above 2^64 in most decoders: they become text."""
TEXT = 1000
"""The most characters of the text for a nested value."""


def encode(value: Any, *, sort_keys: bool = False) -> bytes:
    """``value`` as compact JSON that every decoder reads: numbers beyond 53 bits as text, NaN as null. Never raises."""
    sorted_keys = orjson.OPT_SORT_KEYS if sort_keys else 0
    try:
        return orjson.dumps(value, _leaf, orjson.OPT_STRICT_INTEGER | sorted_keys)
    except TypeError:  # orjson's error for whatever it cannot encode
        return orjson.dumps(plain(value), option=sorted_keys)


def compact(value: Any) -> str:
    """``value`` as compact JSON that Python reads back unchanged: whole numbers of any size, and lone surrogates, which
    the caller escapes when it writes the text (``errors="backslashreplace"``). Never raises."""
    options: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
    try:
        return json.dumps(value, allow_nan=False, default=_leaf, **options)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(plain(value), **options)


def plain(value: Any) -> Any:
    """``value`` built only from JSON's types: text, numbers, booleans, null, and lists, tuples, and mappings of those.

    Everything else becomes text: whole numbers beyond 53 bits, NaN and infinities, bytes (hex), lone surrogates
    (``\\udcff``), keys that are not text, objects, more than 64 levels, and a value that contains itself.
    """
    return _plain(value, DEPTH, frozenset())


def _plain(value: Any, depth: int, above: frozenset[int]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value) if -EXACT < value < EXACT else _shown(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    nested = value if isinstance(value, dict | list | tuple) else _leaf(value)
    if isinstance(nested, str):
        return nested
    if id(value) in above:
        return "(contains itself)"
    if depth == 0:
        return _shown(value)[:TEXT]
    return _parts(nested, lambda part: _plain(part, depth - 1, above | {id(value)}))


def _parts(nested: Any, made: Callable[[Any], Any]) -> Any:
    if isinstance(nested, dict):
        return {_text(key) if isinstance(key, str) else _shown(key): made(part) for key, part in nested.items()}
    return tuple(map(made, nested)) if isinstance(nested, tuple) else list(map(made, nested))


def _leaf(value: Any) -> dict[Any, Any] | list[Any] | str:
    """An object's replacement: a mapping, a list, or text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return _shown(value)


def _shown(value: Any) -> str:
    try:
        return _text(str(value))
    except Exception as error:  # an object's own __str__, a number of more than 4,300 digits, too many levels
        return f"({type(value).__name__} that cannot be shown: {type(error).__name__})"


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return str(text)
