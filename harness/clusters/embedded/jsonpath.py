"""The JSONPath of CustomResourceDefinitions: members, indexes, wildcards and equality filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from harness.clusters.embedded.values import Object

__all__ = ["compile_path", "simple_path"]

Step = Callable[[Any], Iterable[Any]]

_STEP = re.compile(
    r"""\.(?P<member>[A-Za-z0-9_\-/]+(?:\\\.[A-Za-z0-9_\-/]+)*)
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*'(?P<quoted>[^']*)'\s*\] | \[\s*"(?P<double>[^"]*)"\s*\]
      | (?P<all>\[\*\]|\.\*)
      | \[\?\(\s*@\.(?P<key>[A-Za-z0-9_\-/.]+)\s*==\s*(?P<value>"[^"]*"|'[^']*'|true|false|-?\d+)\s*\)\]
    """,
    re.VERBOSE,
)


def simple_path(text: str) -> tuple[str, ...]:
    """A path of plain members (``.spec.gateway``) as keys. Raises :class:`ValueError` for anything else."""
    keys = []
    for match in _steps(text):
        if match["member"] is None:
            raise ValueError(f"{text!r} does not name one field")
        keys.append(match["member"].replace("\\.", "."))
    return tuple(keys)


def compile_path(text: str) -> Callable[[Object], Any]:
    """A function from an object to the first value at ``text``, None where there is none.

    Raises :class:`ValueError` for what this does not know, such as slices, recursion and other filters.
    """
    steps = [_compile(match) for match in _steps(text)]

    def evaluate(stored: Object) -> Any:
        found: list[Any] = [stored]
        for step in steps:
            found = [value for item in found for value in step(item)]
        return found[0] if found else None

    return evaluate


def _steps(text: str) -> list[re.Match[str]]:
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1]
    matches, position = [], 0
    while position < len(body):
        match = _STEP.match(body, position)
        if match is None:
            raise ValueError(f"{text!r} cannot be read at {body[position:]!r}")
        matches.append(match)
        position = match.end()
    if not matches:
        raise ValueError("the path is empty")
    return matches


def _compile(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        index = int(match["index"])
        return lambda value: value[index : index + 1 or None] if type(value) is list else ()
    if match["all"] is not None:
        return lambda value: value if type(value) is list else value.values() if type(value) is dict else ()
    if match["key"] is not None:
        wanted = orjson.loads(match["value"].replace("'", '"'))
        keys = match["key"].split(".")
        return lambda value: [item for item in value if _at(item, keys) == wanted] if type(value) is list else ()
    name = next(text for text in (match["member"], match["quoted"], match["double"]) if text is not None)
    name = name.replace("\\.", ".")
    return lambda value: (value[name],) if type(value) is dict and name in value else ()


def _at(value: Any, keys: list[str]) -> Any:
    for key in keys:
        value = value.get(key) if type(value) is dict else None
    return value
