"""Reads and validates the lines of a history file, which may be cut off, edited, or something else entirely.

Judges rely on these checks and do not repeat them: the fields of an event, and for a change of a resource its
``change``, its ``name``, and the shape of its ``status``. The content of a message is not checked: a peer sent it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason

__all__ = ["DEEPEST", "LONGEST", "read_fields", "read_lines"]

LONGEST = 64 << 20
"""Bytes in a line. The largest frame's module, in hexadecimal digits, takes half of that."""
DEEPEST = 500
"""Levels of nested lists and objects."""
_CHANGES = ("added", "modified", "deleted")
MOST_DIGITS = 1000
"""Digits in a number."""
_LONG_NUMBER = re.compile(rf"\d{{{MOST_DIGITS + 1},}}")
_TOKEN = re.compile(rf'"((?:[^"\\]|\\.)*)"\s*(:)?|[\[\]{{}}]|{_LONG_NUMBER.pattern}')


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    try:
        return (_is_whole(value) or isinstance(value, float)) and math.isfinite(value)
    except OverflowError:
        return False


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "at": _is_time,
    "n": _is_whole,
    "kind": _is_text,
    "source": _is_text,
    "target": _is_text,
    "name": _is_text,
}


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers from 1. Raises UsageError if they cannot be read."""
    do = "name a history.jsonl as the harness wrote it"
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), 1):
                if len(line) > LONGEST:
                    raise UsageError(f"line {number} is longer than {LONGEST >> 20} MiB", where=str(path), do=do)
                if line.strip():
                    yield number, line
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do=do) from error


def read_fields(line: bytes, kinds: Container[str]) -> dict[str, Any]:
    """The fields of an event; its kind must be one of ``kinds``.

    Raises ValueError naming the key that is missing or has an invalid value.
    """
    text = line.decode("utf-8")
    _check_extremes(text)
    try:
        raw = json.loads(text, object_pairs_hook=_unambiguous if text.count('"correlation"') > 1 else None)
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON: {error.msg.removesuffix(' at')} at column {error.colno}") from error
    if not isinstance(raw, dict):
        raise ValueError("not a JSON object")
    for key, is_right in _CHECKS.items():
        if key not in raw:
            raise ValueError(f"it has no {key!r}")
        if not is_right(raw[key]) or (key == "kind" and raw[key] not in kinds):
            raise ValueError(f"its {key!r} is {raw[key]!r:.80}")
    for key, kind in (("data", dict), ("correlation", str)):
        if not isinstance(raw.get(key) or kind(), kind):
            raise ValueError(f"its {key!r} is {raw[key]!r:.80}")
    if raw["kind"] == "state":
        _check_change(raw.get("data") or {})
    return raw


def _check_change(data: Mapping[str, Any]) -> None:
    """Check the data of a change of a resource."""
    status = data.get("status")
    wrong = {
        "data.change": (data.get("change"), data.get("change") in _CHANGES),
        "data.name": (data.get("name"), _is_text(data.get("name"))),
        "data.status": (status, status is None or isinstance(status, dict)),
    }
    if isinstance(status, dict):
        for field in ("phase", "deviceId"):
            value = status.get(field)
            wrong[f"data.status.{field}"] = value, value is None or _is_text(value)
        statuses = status.get("deviceStatuses")
        wrong["data.status.deviceStatuses"] = (
            statuses,
            statuses is None
            or (isinstance(statuses, dict) and all(one is None or isinstance(one, dict) for one in statuses.values())),
        )
    for key, (value, is_right) in wrong.items():
        if not is_right:
            raise ValueError(f"its {key!r} is {value!r:.80}")


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"it has {max(keys, key=keys.count)!r} twice")
    return found


def _check_extremes(text: str) -> None:
    """Raise ValueError naming the key of a value that Python's JSON reader rejects without saying where it is."""
    if text.count("[") + text.count("{") <= DEEPEST and not _LONG_NUMBER.search(text):
        return
    depth, key = 0, "value"
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[1] is None:
            raise ValueError(f"its {key} is a number of {len(token[0])} digits")
        elif depth == 1 and token[2]:
            key = f"'{token[1]}'"
        if depth > DEEPEST:
            raise ValueError(f"its {key} is nested more than {DEEPEST} deep")
