"""Columns of ``kubectl get`` for built-in kinds, from texts as ``Status=status.phase, Ready:integer=#status.ready``.

A column is a name, a type after ``:`` (text by default), ``+`` if it is shown only by ``-o wide``, and where its value
is: a path of members. Before the path, ``#`` stands for 0 where there is nothing, ``-`` for ``<none>``, ``?`` for
``<unset>``, ``~`` for an empty text, and ``*`` for the number of items.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from harness.clusters.embedded.kinds.cells import COMPUTED
from harness.clusters.embedded.types import Column
from harness.clusters.embedded.values import Object, lookup

__all__ = ["AGE", "CREATED", "NAME", "columns_of"]

NAME = Column("Name", ("metadata", "name"), format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", ("metadata", "creationTimestamp"), "age", "CreationTimestamp is when this object was created.")
CREATED = Column("Created At", ("metadata", "creationTimestamp"), "date")


def columns_of(text: str) -> tuple[Column, ...]:
    """The columns that a text describes; ``Name`` comes before them, and ``Age`` is a word of its own."""
    return (NAME, *(_column(item.strip()) for item in text.split(", ") if item.strip()))


def _column(text: str) -> Column:
    if text in ("Age", "Created At"):
        return AGE if text == "Age" else CREATED
    head, _, source = text.partition("=")
    name, _, kind = head.partition(":")
    wide = head.endswith("+")
    return Column(name.rstrip("+"), _value(source), kind.rstrip("+") or "string", priority=int(wide))


def _value(source: str) -> Callable[[Object], Any]:
    if source in COMPUTED:
        return COMPUTED[source]
    mark = source[0] if source[0] in _MARKS else ""
    path = tuple(source[len(mark) :].split("."))
    return partial(_looked_up, path, mark)


_MARKS = {"~": "", "#": 0, "-": "<none>", "?": "<unset>", "*": 0}


def _looked_up(path: tuple[str, ...], mark: str, stored: Object) -> Any:
    found = lookup(stored, path)
    if mark == "*":
        return len(found or ())
    if found in (None, "") and mark:
        return _MARKS[mark]
    if isinstance(found, dict):
        return ",".join(f"{key}={value}" for key, value in sorted(found.items())) or "<none>"
    if isinstance(found, list):
        return ",".join(map(str, found))
    return found
