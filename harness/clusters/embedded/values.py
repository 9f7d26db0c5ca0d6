"""JSON values: copied where they change hands, shared where they did not change.

A stored object is never altered: a change makes a new one that shares the parts that stayed. What stayed is then
known by identity, so that an update costs what it changes, not what it carries.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import orjson

__all__ = [
    "NESTING_LIMIT",
    "Object",
    "copy_value",
    "drop_nulls",
    "identity",
    "is_too_deep",
    "lookup",
    "same",
    "share",
    "weight",
]

Object = dict[str, Any]

NESTING_LIMIT = 100
"""How deep objects and lists may lie in each other; what writes JSON has its limit at 254."""

_SCALARS = frozenset((str, int, float, bool, type(None)))


def copy_value(value: Any) -> Any:
    """A copy that shares nothing that can be altered. Raises :class:`TypeError` for what JSON has no form for."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        copied = {}
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"a JSON object's keys are strings, not {type(key).__name__}: {key!r}")
            copied[key] = item if type(item) in _SCALARS else copy_value(item)
        return copied
    if kind is list or kind is tuple:
        return [item if type(item) in _SCALARS else copy_value(item) for item in value]
    for scalar in (str, int, float):
        if isinstance(value, scalar):
            return scalar(value)
    raise TypeError(f"JSON has no form for {kind.__name__}: {value!r}")


def share(new: Any, old: Any) -> Any:
    """``new`` with every part that equals its counterpart in ``old`` replaced by that very part.

    ``new`` belongs to the caller and is altered. Returns ``old`` itself when nothing differs; 1, 1.0 and true do.
    """
    if new is old:
        return old
    kind = type(new)
    if kind is not type(old):
        return new
    if kind is dict:
        equal = len(new) == len(old)
        for key, item in new.items():
            if key not in old:
                equal = False
                continue
            known = old[key]
            if item is not known:
                new[key] = shared = share(item, known)
                equal = equal and shared is known
        return old if equal else new
    if kind is list:
        equal = len(new) == len(old)
        for index, (item, known) in enumerate(zip(new, old, strict=False)):
            if item is not known:
                new[index] = shared = share(item, known)
                equal = equal and shared is known
        return old if equal else new
    if kind is float:
        return old if new == old and str(new) == str(old) else new  # 0.0 and -0.0 are written differently
    return old if new == old else new


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON, the order of an object's keys aside."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        return len(one) == len(other) and all(key in other and same(item, other[key]) for key, item in one.items())
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and (kind is not float or str(one) == str(other))


def identity(value: Any) -> Hashable:
    """A key to look a value up by: two values have the same key exactly if they are :func:`same`."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is dict or kind is list:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return kind, value


def weight(value: Any) -> int:
    """About how much a value is: one for each value in it, and for every 16 characters."""
    if type(value) is str:
        return 1 + len(value) // 16
    if type(value) is dict:
        return 1 + sum(map(weight, value.values()))
    if type(value) is list:
        return 1 + sum(map(weight, value))
    return 1


def lookup(value: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of keys, or None where it leads nowhere."""
    for key in path:
        if type(value) is not dict:
            return None
        value = value.get(key)
    return value


def drop_nulls(value: Any, old: Any) -> None:
    """Remove members that are null, in place, from what is not part of ``old``."""
    if value is old:
        return
    if type(value) is dict:
        known = old if type(old) is dict else {}
        for key in [key for key, item in value.items() if item is None]:
            del value[key]
        for key, item in value.items():
            drop_nulls(item, known.get(key))
    elif type(value) is list:
        known_items = old if type(old) is list else []
        for index, item in enumerate(value):
            drop_nulls(item, known_items[index] if index < len(known_items) else None)


def is_too_deep(value: Any) -> bool:
    """Whether a value is nested more deeply than :data:`NESTING_LIMIT`."""
    level = [value]
    for _ in range(NESTING_LIMIT):
        inside: list[Any] = []
        for item in level:
            if type(item) is dict:
                inside.extend(item.values())
            elif type(item) is list:
                inside.extend(item)
        if not inside:
            return False
        level = inside
    return any(type(item) is dict or type(item) is list for item in level)
