"""Reads the label of an executable arrow: the event's name, and conditions on its data.

::

    EnrollmentRequest
    EnrollmentResponse (heartbeatInterval = 30s)
    PATCH Device (status.phase = Connected, status.error = null)
    Error (code = DUPLICATE_DEVICE | GATEWAY_FULL, retryAfter)
    PATCH Device (status.lastHeartbeat, no status.phase)
    PATCH Application (status.deviceStatuses.{device}.state = running)

A field alone must be present and not null; after ``no`` it must be absent. A list meets ``=`` if it contains the value.
``{device}`` stands for the device that is judged. A request without a condition on ``code`` is one that succeeded;
failed requests are judged only by diagrams with a condition on their ``code``. Only the label's first line counts: the
text after a ``<br/>`` is for readers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from harness.core.errors import UsageError
from harness.sequences.tree import plain

__all__ = ["Comparison", "Condition", "Label", "duration", "read_label"]

Value = str | float | bool | None
_ABSENT = object()

_UNITS = {"ms": 1.0, "s": 1_000.0, "min": 60_000.0, "h": 3_600_000.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)")
_LABEL = re.compile(r"([^()]+?)\s*(?:\((.*)\))?")
_PATH = re.compile(r"[A-Za-z_{][\w\-/{}]*(?:\.[\w\-/{}]+)*")
_CONDITION = re.compile(rf"(no\s+)?({_PATH.pattern})\s*(?:(!?=)\s*(.*))?")


class Comparison(Enum):
    """A kind of condition on a field."""

    EQUAL = "="
    DIFFERENT = "!="
    PRESENT = "present"
    ABSENT = "no"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on an event's data; ``values`` are those after ``=`` or ``!=``."""

    path: tuple[str, ...]
    test: Comparison
    values: tuple[Value, ...] = ()

    @property
    def per_device(self) -> bool:
        return "{device}" in self.path

    def holds(self, data: Mapping[str, Any], device: str) -> bool:
        """Whether ``data`` meets the condition, with ``device`` for ``{device}``."""
        value = self.value_in(data, device, _ABSENT)
        if value is _ABSENT or self.test is Comparison.ABSENT:
            return value is _ABSENT and self.test is Comparison.ABSENT
        if self.test is Comparison.PRESENT:
            return value is not None
        # A text, as nearly always, is equal to texts only.
        found = value in self.values if type(value) is str else any(_same(wanted, value) for wanted in self.values)
        return found == (self.test is Comparison.EQUAL)

    def value_in(self, data: Mapping[str, Any], device: str, absent: object = None) -> Any:
        """The value of the field in ``data``; ``absent`` if it is missing."""
        value: Any = data
        for part in self.path:
            key = device if part == "{device}" else part
            if type(value) is not dict and not isinstance(value, Mapping):  # the first is quick
                return absent
            if key not in value:
                return absent
            value = value[key]
        return value

    def __str__(self) -> str:
        path = ".".join(self.path)
        if self.test in (Comparison.PRESENT, Comparison.ABSENT):
            return path if self.test is Comparison.PRESENT else f"no {path}"
        return f"{path} {self.test.value} {' | '.join(_written(value) for value in self.values)}"


@dataclass(frozen=True, slots=True)
class Label:
    """An event's name and the conditions on its data."""

    name: str
    conditions: tuple[Condition, ...] = ()

    def asks_for(self, field: str) -> bool:
        """Whether a condition is on ``field`` or something inside it."""
        return any(condition.path[0] == field for condition in self.conditions)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.conditions))})" if self.conditions else self.name


def read_label(text: str) -> Label:
    """Read an arrow's text. Raises UsageError without ``where``, which the caller adds."""
    first = plain(text)[0]
    found = _LABEL.fullmatch(first)
    if not found:
        raise UsageError(
            f"invalid label {first!r}",
            do="write the event's name, then its conditions in one pair of parentheses",
        )
    name, conditions = found[1], found[2]
    if conditions is None:
        return Label(name)
    return Label(name, tuple(_condition(part, first) for part in _split(conditions, ",")))


def duration(text: str) -> float | None:
    """``30s``, ``500 ms``, ``1.5min`` in milliseconds; None if ``text`` is not a duration."""
    found = _DURATION.fullmatch(text.strip())
    return float(found[1]) * _UNITS[found[2]] if found else None


def _condition(text: str, label: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if not found or (found[1] and found[3]) or found[4] == "":
        raise UsageError(
            f"invalid condition {text!r} in {label!r}",
            do="write 'field', 'no field', 'field = value', 'field = one | other' or 'field != value'",
        )
    path = tuple(found[2].split("."))
    if found[3]:
        return Condition(path, Comparison(found[3]), tuple(_value(part) for part in _split(found[4], "|")))
    return Condition(path, Comparison.ABSENT if found[1] else Comparison.PRESENT)


def _split(text: str, separator: str) -> list[str]:
    parts, quoted, start = [], False, 0
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def _value(text: str) -> Value:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[text]
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    return text


def _written(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    ambiguous = _value(value) != value or re.search(r'[",|()]|^\s|\s$|^$', value)
    return f'"{value}"' if ambiguous else value


def _same(wanted: Value, value: object) -> bool:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, list | tuple):
            pending += value
        elif isinstance(wanted, bool) or isinstance(value, bool) or wanted is None:
            if wanted is value:
                return True
        elif wanted == value:
            return True
    return False
