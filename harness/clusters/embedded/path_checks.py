"""The paths that a definition names: of columns, of the scale subresource, and of fields to select by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = ["COLUMNS_LIMIT", "column_causes", "scale_causes", "selectable_causes"]

COLUMNS_LIMIT = 1000
"""A list as a table looks up all columns in every object."""
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE_LIMIT = 8
_SELECTABLE_TYPES = ("string", "boolean", "integer")
_SIMPLE = "must be a simple json path starting with ."
_MEMBER = re.compile(r"\.([A-Za-z0-9_\-$]+)")


def column_causes(columns: Sequence[Object], where: str) -> list[Cause]:
    """The faults of ``additionalPrinterColumns``."""
    causes: list[Cause] = []
    if len(columns) > COLUMNS_LIMIT:
        causes.append(errors.too_many(where, len(columns), COLUMNS_LIMIT))
    for index, column in enumerate(columns):
        field = f"{where}[{index}]"
        if not column.get("name"):
            causes.append(errors.required(f"{field}.name"))
        kind, form, path = column.get("type"), column.get("format"), column.get("jsonPath")
        if not kind:
            causes.append(errors.required(f"{field}.type", f"must be one of {','.join(_COLUMN_TYPES)}"))
        elif kind not in _COLUMN_TYPES:
            causes.append(errors.invalid_value(f"{field}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}"))
        if form and form not in _COLUMN_FORMATS:
            causes.append(errors.invalid_value(f"{field}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}"))
        if not path:
            causes.append(errors.required(f"{field}.JSONPath"))
        elif not path.startswith("."):
            causes.append(errors.invalid_value(f"{field}.JSONPath", path, _SIMPLE))
    return causes


def scale_causes(subresources: Object, where: str) -> list[Cause]:
    """The faults of ``subresources.scale``."""
    scale = subresources.get("scale")
    if scale is None:
        return []
    causes: list[Cause] = []
    for member, needed, roots in (
        ("specReplicasPath", True, (".spec",)),
        ("statusReplicasPath", True, (".status",)),
        ("labelSelectorPath", False, (".spec", ".status")),
    ):
        path, field = scale.get(member, ""), f"{where}.scale.{member}"
        if not path:
            if needed:
                causes.append(errors.required(field))
        elif not path.startswith("."):
            causes.append(errors.invalid_value(field, path, _SIMPLE))
        elif not path.startswith(tuple(f"{root}." for root in roots)):
            under = roots[0] if len(roots) == 1 else f"either {' or '.join(roots)}"
            causes.append(errors.invalid_value(field, path, f"should be a json path under {under}"))
    return causes


def selectable_causes(fields: Sequence[Object], schema: Object, where: str) -> list[Cause]:
    """The faults of ``selectableFields``: each names one field that the schema has, of a plain type."""
    causes: list[Cause] = []
    seen: set[str] = set()
    for index, selectable in enumerate(fields):
        path, field = selectable.get("jsonPath") or "", f"{where}[{index}].jsonPath"
        if not path:
            causes.append(errors.required(field))
            continue
        problem, found = _resolve(path, schema)
        if problem:
            causes.append(errors.invalid_value(field, path, f"is an invalid path: {problem}"))
            continue
        if found.get("type") not in _SELECTABLE_TYPES:
            detail = "must point to a field of type string, boolean or integer. "
            detail += "Enum string fields and strings with formats are allowed."
            causes.append(errors.invalid_value(field, path, detail))
        if path in seen:
            causes.append(errors.duplicate(field, path))
        seen.add(path)
    if len(seen) > _SELECTABLE_LIMIT:
        causes.append(errors.too_many(where, len(fields), _SELECTABLE_LIMIT))
    return causes


def _resolve(path: str, schema: Object) -> tuple[str, Any]:
    """The fault of a path, or the schema at its end."""
    place: Any = schema
    position = 0
    if path.startswith((".metadata", ".apiVersion", ".kind")):
        return "does not refer to a valid field", None
    while position < len(path):
        match = _MEMBER.match(path, position)
        if match is None:
            if path[position] == "[":
                return "array notation is not allowed", None
            return f"expected [ or . but got: {path[position:].partition('.')[0]}", None
        name = match[1]
        child = (place.get("properties") or {}).get(name)
        additional = place.get("additionalProperties")
        if child is None and isinstance(additional, dict):
            child = additional
        if child is None:
            return "does not refer to a valid field", None
        place, position = child, match.end()
    return "", place
