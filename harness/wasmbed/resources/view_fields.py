"""The fields of views: attributes that are read from an object's JSON form.

A view never copies and never writes its object. An absent or null field has the default of its declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from harness.wasmbed.resources.durations import parse_duration

__all__ = [
    "Field",
    "View",
    "camel_case",
    "choices",
    "conditions_field",
    "duration_field",
    "field_names",
    "metrics_field",
    "number_field",
    "part",
    "text_field",
    "texts_field",
]

T = TypeVar("T")


def camel_case(name: str) -> str:
    """A field's name as resources spell it."""
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


class Field(Generic[T]):
    """An attribute whose value is read from the wrapped object under the same name in camelCase."""

    def __init__(
        self, default: T, convert: Callable[[Any], T] | None = None, choices: Iterable[str] | None = None
    ) -> None:
        self.default, self._convert = default, convert
        self.choices = None if choices is None else tuple(map(str, choices))
        """The permitted values, if the schema lists them."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = camel_case(name)

    def __get__(self, view: View, owner: type) -> T:
        value = view.raw.get(self._key)
        if value is None:
            return self.default
        return self._convert(value) if self._convert else value


class View:
    """An object in its JSON form, whose fields are attributes. Views are equal if their objects are."""

    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


def field_names(view: type) -> list[str]:
    """Return the names of a view's fields, in snake_case."""
    return sorted(name for name, field in vars(view).items() if isinstance(field, Field))


def choices(view: type, name: str) -> tuple[str, ...] | None:
    """Return the permitted values of a field, if the schema lists them."""
    field = vars(view)[name]
    return field.choices if isinstance(field, Field) else None


def part(view: type, name: str) -> type | None:
    """Return the view class of a field's value, if it is a view."""
    field = vars(view)[name]
    return type(field.default) if isinstance(field, Field) and isinstance(field.default, View) else None


def text_field(choices: Iterable[str] | None = None) -> Field[str | None]:
    """Return a field with a text; None if absent."""
    return Field[str | None](None, choices=choices)


def number_field() -> Field[int]:
    """Return a field with a whole number; 0 if absent."""
    return Field(0)


def duration_field() -> Field[float | None]:
    """Return a field with a time in seconds, written as in ``30s``; None if absent."""
    return Field[float | None](None, parse_duration)


def texts_field() -> Field[Sequence[str]]:
    """Return a field with a list of texts."""
    return Field[Sequence[str]](())


def metrics_field() -> Field[Mapping[str, int]]:
    """Return a field with whole numbers by name."""
    return Field[Mapping[str, int]]({})


def conditions_field() -> Field[Sequence[Mapping[str, Any]]]:
    """Return a field with conditions (Kubernetes API conventions)."""
    return Field[Sequence[Mapping[str, Any]]](())
