"""CEL's functions of strings (cel-go ``ext.Strings``), in place of the library's own.

The library's ``substring`` refuses an end that is the end of the string.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cel_expr_python import cel

__all__ = ["string_functions"]

T = cel.Type
_LONGEST = 1 << 20
"""Characters of a text that a function makes."""


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise ValueError(f"index out of range: {index}")
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, end: int | None = None) -> int:
    if end is None:
        return text.rfind(part)
    if not 0 <= end <= len(text):
        raise ValueError(f"index out of range: {end}")
    return text.rfind(part, 0, end + len(part))


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return _bounded(text.replace(old, new, count))


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    parts = list(text) if not separator else text.split(separator, limit - 1 if limit > 0 else -1)
    if not separator and 0 < limit < len(parts):
        parts = [*parts[: limit - 1], "".join(parts[limit - 1 :])]
    return parts


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    if not 0 <= end <= len(text):
        raise ValueError(f"index out of range: {end}")
    if start > end:
        raise ValueError(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


def _join(parts: list[str], separator: str = "") -> str:
    return _bounded(separator.join(parts))


def _bounded(text: str) -> str:
    if len(text) > _LONGEST:
        raise ValueError("call cost exceeds limit")
    return text


def _lower(text: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in text)


def _upper(text: str) -> str:
    return "".join(one.upper() if one.isascii() else one for one in text)


def _format(pattern: str, arguments: list[Any]) -> str:
    """``%s %d %f %e %b %x %X %o`` and ``%%``, with a precision."""
    made, place, taken = [], 0, 0
    while place < len(pattern):
        if pattern[place] != "%":
            made.append(pattern[place])
            place += 1
            continue
        precision, place = "", place + 1
        if pattern[place : place + 1] == "%":
            made.append("%")
            place += 1
            continue
        if pattern[place : place + 1] == ".":
            place += 1
            while pattern[place : place + 1].isdigit():
                precision, place = precision + pattern[place], place + 1
        clause = pattern[place : place + 1]
        if clause not in _CLAUSES or not clause:
            raise ValueError(f'could not parse formatting clause: unrecognized formatting clause "{clause}"')
        if taken >= len(arguments):
            raise ValueError(f"index {taken} out of range")
        made.append(_CLAUSES[clause](arguments[taken], min(int(precision or 6), 20)))
        place, taken = place + 1, taken + 1
    return _bounded("".join(made))


def _shown(value: Any, _: int = 0) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and math.isfinite(value) else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_shown(key)}: {_shown(item)}" for key, item in value.items())) + "}"
    return "null" if value is None else str(value)


_CLAUSES: dict[str, Callable[[Any, int], str]] = {
    "s": _shown,
    "d": lambda value, _: str(int(value)),
    "f": lambda value, places: f"{float(value):.{places}f}",
    "e": lambda value, places: f"{float(value):.{places}e}",
    "b": lambda value, _: f"{int(value):b}",
    "o": lambda value, _: f"{int(value):o}",
    "x": lambda value, _: value.encode().hex() if isinstance(value, str) else f"{int(value):x}",
    "X": lambda value, _: value.encode().hex().upper() if isinstance(value, str) else f"{int(value):X}",
}


def _member(name: str, do: Callable[..., Any], made: Any, *signatures: tuple[Any, ...]) -> Any:
    overloads = [
        cel.Overload(f"strings_{name}_{index}", return_type=made, parameters=list(taken), is_member=True, impl=do)
        for index, taken in enumerate(signatures)
    ]
    return cel.FunctionDecl(name, overloads)


def string_functions() -> list[Any]:
    """The declarations of all of them."""
    s, i, strings = T.STRING, T.INT, T.List(T.STRING)
    return [
        _member("charAt", _char_at, s, (s, i)),
        _member("indexOf", _index_of, i, (s, s), (s, s, i)),
        _member("lastIndexOf", _last_index_of, i, (s, s), (s, s, i)),
        _member("join", _join, s, (T.LIST,), (T.LIST, s)),
        _member("lowerAscii", _lower, s, (s,)),
        _member("upperAscii", _upper, s, (s,)),
        _member("replace", _replace, s, (s, s, s), (s, s, s, i)),
        _member("split", _split, strings, (s, s), (s, s, i)),
        _member("substring", _substring, s, (s, i), (s, i, i)),
        _member("trim", str.strip, s, (s,)),
        _member("reverse", lambda text: text[::-1], s, (s,)),
        _member("format", _format, s, (s, T.LIST)),
    ]
