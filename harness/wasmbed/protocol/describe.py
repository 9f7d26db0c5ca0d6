"""Messages as JSON values, for histories, logs, and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from harness.wasmbed.protocol.dialects.messages import DialectMessage
from harness.wasmbed.protocol.messages import Message

__all__ = ["describe"]

_LONGEST_HEX = 64
"""Bytes; longer values are described by size and SHA-256."""


def describe(message: Message | DialectMessage) -> dict[str, Any]:
    """Return the fields of ``message`` in camelCase, fit for JSON; absent optional fields are left out.

    Bytes become hexadecimal, or ``{"size", "sha256"}`` if there are more than 64.
    """
    return _fields(message)


def _fields(value: object) -> dict[str, Any]:
    described = {}
    for attribute, name in _names(type(value)):
        content = getattr(value, attribute)
        if content is not None:
            described[name] = content if content.__class__ in _AS_THEY_ARE else _plain(content)
    return described


_AS_THEY_ARE = frozenset((str, int, float, bool))


def _plain(value: Any) -> Any:
    if value.__class__ is dict:
        return {
            name: element if element.__class__ in _AS_THEY_ARE else _plain(element) for name, element in value.items()
        }
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, bytes):
        if len(value) > _LONGEST_HEX:
            return {"size": len(value), "sha256": hashlib.sha256(value).hexdigest()}
        return value.hex()
    if isinstance(value, Mapping):
        return {name: _plain(element) for name, element in value.items()}
    if is_dataclass(value):
        return _fields(value)
    return [_plain(element) for element in value]


_NAMES: dict[type, tuple[tuple[str, str], ...]] = {}


def _names(kind: type) -> tuple[tuple[str, str], ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple((field.name, _camel(field.name)) for field in fields(kind))
    return _NAMES[kind]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
