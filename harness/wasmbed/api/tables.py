"""Objects of the cluster as lines of text, with the columns that kubectl shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import CONFIG_MAP, EVENT, POD, SECRET, SERVICE, load_crds

__all__ = ["age", "columns_of", "lay_out", "table"]

_AGE = ("AGE", ".metadata.creationTimestamp", "date", False)
Column = tuple[str, str, str, bool]
"""Title, path, type, and whether only the wide table has it."""

_COLUMNS: Mapping[Resource, tuple[Column, ...]] = {
    POD: (("STATUS", ".status.phase", "string", False), _AGE, ("NODE", ".spec.nodeName", "string", True)),
    SERVICE: (("TYPE", ".spec.type", "string", False), ("CLUSTER-IP", ".spec.clusterIP", "string", False), _AGE),
    EVENT: (
        ("LAST-SEEN", ".lastTimestamp", "date", False),
        ("TYPE", ".type", "string", False),
        ("REASON", ".reason", "string", False),
        ("OBJECT", ".involvedObject.name", "string", False),
        ("MESSAGE", ".message", "string", False),
    ),
    SECRET: (("TYPE", ".type", "string", False), _AGE),
    CONFIG_MAP: (_AGE,),
}


def table(kind: Resource, objects: Iterable[Object], now: float, *, wide: bool) -> list[str]:
    """Return the lines of a table, by name; the first has the titles. ``now`` is in seconds since 1970."""
    columns = [each for each in columns_of(kind) if wide or not each[3]]
    rows = [["NAME", *(title for title, *_ in columns)]]
    rows += [
        [each["metadata"]["name"], *(_cell(each, path, type_, now) for _, path, type_, _ in columns)]
        for each in sorted(objects, key=lambda found: str(found["metadata"]["name"]))
    ]
    return lay_out(rows)


def lay_out(rows: list[list[str]]) -> list[str]:
    """Return rows as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def columns_of(kind: Resource) -> tuple[Column, ...]:
    """Return a kind's columns beside the name: the platform's kinds have them in their definitions."""
    return _COLUMNS.get(kind) or _defined()[kind.plural]


def age(text: str, now: float) -> str:
    """Return the time since a moment (RFC 3339) in one unit, as 5m."""
    seconds = max(0, int(now - datetime.fromisoformat(text).timestamp()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@cache
def _defined() -> Mapping[str, tuple[Column, ...]]:
    found = {}
    for definition in load_crds():
        columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
        found[definition["spec"]["names"]["plural"]] = tuple(
            (each["name"].upper(), each["jsonPath"], each["type"], each.get("priority", 0) > 0) for each in columns
        )
    return found


def _cell(found: Object, path: str, type_: str, now: float) -> str:
    value: Any = found
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if type_ == "date":
        return age(value, now)
    return " ".join(str(value).split())  # a message may have several lines
