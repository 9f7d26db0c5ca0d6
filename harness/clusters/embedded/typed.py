"""The check of an applied configuration against its schema, before it is merged.

Server-side apply reads a configuration through the schema's types, and refuses one that does not fit with code 500.
"""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.field_sets import STEPS, dotted, element
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object

__all__ = ["check_config"]

_LISTED = 20
_NAMES = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", float: "float64"}
"""Go's names of the types of JSON values."""


def check_config(config: Object, schema: Schema, budget: Budget) -> None:
    """Raise the refusal for fields that the schema lacks, values of another type, and keys that occur twice."""
    faults: list[str] = []
    for name, item in config.items():
        if name not in ("apiVersion", "kind"):
            _member(name, item, schema, "", faults, budget)
    if faults:
        metadata = config.get("metadata") or {}
        group, _, version = config["apiVersion"].rpartition("/")
        kind = f"{group}/{version}, Kind={config['kind']}"
        about = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {kind}"
        text = faults[0] if len(faults) == 1 else "errors:\n" + "\n".join(f"  {fault}" for fault in faults[:_LISTED])
        message = f"failed to create typed patch object ({about}): {text}"
        raise StatusError(500, "", message)


def _member(name: str, value: Any, schema: Schema, path: str, faults: list[str], budget: Budget) -> None:
    child = schema.child(name)
    if child is not None:
        _check(value, child, f"{path}.{name}", faults, budget)
    elif not schema.preserves:
        faults.append(f"{path}.{name}: field not declared in schema")


def _check(value: Any, schema: Schema, path: str, faults: list[str], budget: Budget) -> None:
    budget.spend(STEPS, path)
    wanted, kind = schema.raw.get("type", ""), type(value)
    if value is None or schema.raw.get("x-kubernetes-int-or-string"):
        return
    if wanted in ("integer", "number") and kind not in (int, float):
        faults.append(f"{path}: expected numeric (int or float), got {_NAMES[kind]}")
    elif wanted == "boolean" and kind is not bool:
        faults.append(f"{path}: expected boolean, got {_shown(value)}")
    elif wanted == "object" and kind is not dict:
        faults.append(f"{path}: expected map, got {_shown(value)}")
    elif wanted == "array" and kind is not list:
        faults.append(f"{path}: expected list, got {_shown(value)}")
    elif kind is dict:
        for name, item in value.items():
            _member(name, item, schema, path, faults, budget)
    elif kind is list and schema.items is not None:
        seen = set()
        for item in value:
            if schema.list_type != "atomic":
                part = element(item, schema)
                if part in seen:
                    faults.append(f"{path}: duplicate entries for key {dotted((part,))}")
                seen.add(part)
            _check(item, schema.items, path, faults, budget)


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
