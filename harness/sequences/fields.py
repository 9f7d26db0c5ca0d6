"""The known fields of events' data, so that a condition on an unknown field is an error when a diagram is loaded.

The fields are derived, not listed again: those of frames from the message classes, those of resources from the schemas
of their definitions.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Union

from harness.core.errors import UsageError
from harness.sequences.labels import Comparison, Condition, duration

__all__ = ["ANY", "EventField", "check_condition", "known_paths", "of_message", "of_schema"]


@dataclass(frozen=True, slots=True)
class EventField:
    """One field: its possible values (empty: any), whether it is a time in milliseconds, and its inner fields.

    ``inside`` is None for a plain value; ``others`` describes inner fields of any other name. A field that is
    ``anything`` has no known structure.
    """

    values: tuple[str, ...] = ()
    milliseconds: bool = False
    inside: Mapping[str, EventField] | None = None
    others: EventField | None = None
    anything: bool = False


ANY = EventField(anything=True)

_MILLISECONDS = frozenset({"heartbeatInterval", "retryAfter", "wallTime", "deviceTime", "gatewayTime", "timeLimit"})


def of_message(message: type) -> dict[str, EventField]:
    """The fields of a message class under their names in a history (camelCase)."""
    hints = typing.get_type_hints(message)
    return {_camel(item.name): _of_type(hints[item.name], _camel(item.name)) for item in fields(message)}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _of_type(hint: Any, name: str) -> EventField:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _of_type(next(argument for argument in arguments if argument is not type(None)), name)
    if is_dataclass(hint) and isinstance(hint, type):
        return EventField(inside=of_message(hint))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return EventField(inside={}, others=_of_type(arguments[1], name))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return EventField(inside={}) if is_dataclass(arguments[0]) else _of_type(arguments[0], name)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return EventField(values=tuple(hint))
    if hint is bytes:
        return EventField(inside={"size": EventField(), "sha256": EventField()})
    return EventField(values=("true", "false") if hint is bool else (), milliseconds=name in _MILLISECONDS)


def of_schema(schema: Mapping[str, Any], name: str = "") -> EventField:
    """A field from its OpenAPI v3 schema."""
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            others = schema.get("additionalProperties")
            if not properties and others is None:
                return ANY
            return EventField(
                inside={key: of_schema(value, key) for key, value in properties.items()},
                others=of_schema(others) if isinstance(others, Mapping) else None,
            )
        case "array":
            return of_schema(schema.get("items", {}), name)
        case "boolean":
            return EventField(values=("true", "false"))
        case _:
            return EventField(values=tuple(map(str, schema.get("enum", ()))), milliseconds=name in _MILLISECONDS)


def known_paths(known: Mapping[str, EventField], prefix: str = "") -> Iterator[str]:
    """All paths that a condition may use; ``*`` stands for any name."""
    for name, item in known.items():
        yield prefix + name
        yield from known_paths(item.inside or {}, f"{prefix}{name}.")
        if item.others is not None:
            yield f"{prefix}{name}.*"
            yield from known_paths(item.others.inside or {}, f"{prefix}{name}.*.")


def check_condition(condition: Condition, known: Mapping[str, EventField]) -> Condition:
    """The condition with its values in the field's unit. Raises UsageError, with a suggestion, for an invalid one."""
    path = ".".join(condition.path)
    item = EventField(inside=known)
    for part in condition.path:
        if item.anything:
            break
        following = (item.inside or {}).get(part, item.others)
        if following is None:
            raise UsageError(f"there is no field {path!r} in this event", do=_suggest(path, known_paths(known)))
        item = following
    if condition.test in (Comparison.PRESENT, Comparison.ABSENT):
        return condition
    values = tuple(_value(value, item, path) for value in condition.values)
    return Condition(condition.path, condition.test, values)


def _value(value: str | float | bool | None, item: EventField, path: str) -> str | float | bool | None:
    if isinstance(value, str) and (milliseconds := duration(value)) is not None and item.milliseconds:
        return milliseconds
    written = str(value).lower() if isinstance(value, bool) else value
    if item.values and written is not None and written not in item.values:
        raise UsageError(f"{path!r} is never {written!r}", do=_suggest(str(written), item.values))
    if item.milliseconds and not isinstance(value, float) and value is not None:
        raise UsageError(f"{path!r} is a time, not {written!r}", do="write it as 30s, 500ms or 2min")
    return value


def _suggest(word: str, known: Iterable[str]) -> str:
    choices = sorted(set(known))
    close = get_close_matches(word, choices, n=3, cutoff=0.5) or choices[:12]
    return f"did you mean {' or '.join(close)}?" if close else "it has no fields"
