"""Table output (``Accept: application/json;as=Table``): what ``kubectl get`` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from harness.clusters.embedded.store import StoredObject
from harness.clusters.embedded.types import Column, ResourceType
from harness.clusters.embedded.values import Object, copy_value, lookup
from harness.core.clock import Clock

__all__ = ["MetadataForm", "TableForm", "human_duration"]

GROUP_VERSION = "meta.k8s.io/v1"


class TableForm:
    """Objects as rows of a Table. In a watch only the first event carries the column definitions."""

    shared = False

    def __init__(self, served: ResourceType, include: str, clock: Clock) -> None:
        self._served = served
        self._include = include or "Metadata"
        self._clock = clock
        self._defined = False

    def table(self, entries: list[StoredObject], metadata: Object) -> Object:
        """A Table of these objects."""
        now = self._clock.now()
        return {
            "kind": "Table",
            "apiVersion": GROUP_VERSION,
            "metadata": metadata,
            "columnDefinitions": [_definition(column) for column in self._served.columns],
            "rows": [self._row(entry, now) for entry in entries],
        }

    def encode(self, entry: StoredObject) -> bytes:
        table = self.table([entry], {"resourceVersion": str(entry.version)})
        if self._defined:
            table["columnDefinitions"] = None
        self._defined = True
        return orjson.dumps(table)

    def copy(self, entry: StoredObject) -> Object:
        table: Object = orjson.loads(self.encode(entry))
        return table

    def _row(self, entry: StoredObject, now: float) -> Object:
        row: Object = {
            "cells": [_cell(column, entry.object, now, as_text=self._served.custom) for column in self._served.columns]
        }
        if self._include == "Object":
            convert = self._served.from_storage
            row["object"] = convert(entry.object) if convert else entry.object
        elif self._include == "Metadata":
            row["object"] = partial_metadata(entry.object)
        else:
            row["object"] = None
        return row


class MetadataForm:
    """Objects reduced to their metadata."""

    shared = True

    def encode(self, entry: StoredObject) -> bytes:
        return orjson.dumps(partial_metadata(entry.object))

    def copy(self, entry: StoredObject) -> Object:
        copied: Object = copy_value(partial_metadata(entry.object))
        return copied


def partial_metadata(stored: Object) -> Object:
    """A PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": GROUP_VERSION, "metadata": stored["metadata"]}


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": "string" if column.type == "age" else column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _cell(column: Column, stored: Object, now: float, *, as_text: bool) -> Any:
    """``as_text``: whether a column of type string shows a number as a text, and one of type date an age; those of
    built-in types do not."""
    source = column.value
    value = lookup(stored, source) if isinstance(source, tuple) else source(stored)
    if column.type == "age" and not as_text:
        return _built_in_age(value, now)
    if column.type in ("date", "age") and as_text:
        return _age(value, now)
    if value is None or isinstance(value, str | int | float | bool):
        wanted = column.type
        if as_text and value is not None and wanted == "string" and not isinstance(value, str):
            return orjson.dumps(value).decode()
        return value
    return orjson.dumps(value).decode()


def _built_in_age(value: Any, now: float) -> str:
    """The age of a built-in object's time; a text that is not a time says something else."""
    if value is None:
        return "<unknown>"
    shown = _age(value, now)
    return str(value) if shown == "<invalid>" else str(shown)


def _age(value: Any, now: float) -> str | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return "<invalid>"
    return human_duration(now - moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def human_duration(seconds: float) -> str:
    """An age as ``kubectl`` prints it: ``3s``, ``2m5s``, ``47h``, ``5d``, ``2y30d``."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
