"""A reader for bodies in YAML that builds values event by event.

PyYAML's loaders expand aliases, and recurse as deep as a body is nested. This reader returns JSON values only, and
refuses aliases and merge keys, with which a kilobyte can stand for gigabytes. As in Kubernetes, the first document
counts, and tags that it does not know are passed over.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import orjson
import yaml

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.values import NESTING_LIMIT

__all__ = ["read_yaml"]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STEPS = 4
"""Of the budget, for one value."""
_TAG = "tag:yaml.org,2002:"
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_DIRECTIVES = 16
_TRUE = ("y", "yes", "on", "true")
_LONGEST_NUMBER = 100
"""Characters; far beyond JSON's 64 bits."""
_NOT_READ = "aliases and merge keys are not read"


def read_yaml(body: bytes) -> Any:
    """The value of a body with one document. Raises :class:`ValueError` with what is wrong, :class:`OutOfBudget`."""
    text = body.decode()
    if len(_TAG_DIRECTIVE.findall(text)) > _DIRECTIVES:  # The scanner compares each with all before it.
        raise ValueError(f"there are more than {_DIRECTIVES} %TAG directives")
    try:
        loader = _Loader(text)
        try:
            # Through JSON, so that dates become text, and nothing but JSON's values gets in.
            return orjson.loads(orjson.dumps(_Document(loader).read()))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"line {max(_line(error), 1)}: {error.problem}") from error
    except (yaml.YAMLError, orjson.JSONEncodeError) as error:
        raise ValueError(str(error)) from error


class _Document:
    """One document, as it is built up."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._budget = Budget()
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[Any] = []
        """For each open object the key that has no value yet; for lists nothing is ever kept."""
        self._root: Any = None

    def read(self) -> Any:
        while self._loader.check_event():
            event = self._loader.get_event()
            match event:
                case yaml.ScalarEvent():
                    self._add(self._scalar(event))
                case yaml.MappingStartEvent():
                    self._enter({})
                case yaml.SequenceStartEvent():
                    self._enter([])
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._open.pop()
                    self._keys.pop()
                case yaml.AliasEvent():
                    raise ValueError(f"*{event.anchor}: {_NOT_READ}")
                case yaml.DocumentEndEvent():
                    break
        return self._root

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text, tag = event.value, event.tag
        if tag is None:
            tag = self._loader.resolve(yaml.ScalarNode, text, event.implicit)
        match tag.removeprefix(_TAG):
            case "merge":
                raise ValueError(f"{text}: {_NOT_READ}")
            case "binary":
                return base64.b64decode(text).decode("utf-8", "replace")
            case "null":
                return None
            case "bool":
                return text.lower() in _TRUE
            case "int" | "float":
                return _number(text)
            case _:
                return text

    def _enter(self, container: dict[str, Any] | list[Any]) -> None:
        if len(self._open) >= NESTING_LIMIT:
            raise ValueError(f"exceeded max depth of {NESTING_LIMIT}")
        self._add(container)
        self._open.append(container)
        self._keys.append(_NONE)

    def _add(self, value: Any) -> None:
        self._budget.spend(_STEPS)
        if not self._open:
            self._root = value
        elif isinstance(within := self._open[-1], list):
            within.append(value)
        elif self._keys[-1] is not _NONE:
            within[self._keys[-1]] = value
            self._keys[-1] = _NONE
        elif isinstance(value, dict | list):
            raise ValueError("invalid map key: it is not a text")
        else:
            self._keys[-1] = value


def _line(error: yaml.MarkedYAMLError) -> int:
    """The line that Go's library names: of the context, else of the problem; its scanner has gone on by one."""
    lines = [mark.line for mark in (error.context_mark, error.problem_mark) if mark is not None and mark.line]
    return lines[0] + isinstance(error, yaml.scanner.ScannerError) if lines else 0


_NONE = object()
"""No key: null is one."""


def _number(text: str) -> int | float | str:
    """A number of YAML 1.1; what that counts in sixties is a text, as in Kubernetes."""
    if ":" in text:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"{text:.20}... is too long for a number")
    plain = text.replace("_", "")
    sign, digits = (plain[0], plain[1:]) if plain[:1] in ("-", "+") else ("", plain)
    if digits.isdigit():
        return int(f"{sign}{digits}", 8 if digits.startswith("0") and digits != "0" else 10)
    try:
        return int(plain, 0)
    except ValueError:
        return float(plain)
