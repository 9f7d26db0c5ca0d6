"""The rules of schemas for lists and maps that merge: ``x-kubernetes-list-type`` and its companions."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = ["list_causes"]

_TYPE, _KEYS, _MAP = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"
_SCALARS = ("boolean", "integer", "number", "string")


def list_causes(schema: Object, field: str, causes: list[Cause]) -> None:
    """Append the faults of one schema."""
    kind, listed, keys = schema.get("type"), schema.get(_TYPE), schema.get(_KEYS) or []
    if _MAP in schema:
        _has_type(kind, "object", _MAP, field, causes)
        if schema[_MAP] not in ("atomic", "granular"):
            causes.append(errors.unsupported_value(f"{field}.{_MAP}", schema[_MAP], ("atomic", "granular")))
    if listed is not None:
        _has_type(kind, "array", _TYPE, field, causes)
        if listed not in ("atomic", "set", "map"):
            causes.append(errors.unsupported_value(f"{field}.{_TYPE}", listed, ("atomic", "set", "map")))
    if keys and listed != "map":
        detail = f"must be map if {_KEYS} is non-empty"
        where = f"{field}.{_TYPE}"
        causes.append(errors.required(where, detail) if listed is None else errors.invalid_value(where, listed, detail))
    items = schema.get("items")
    if listed in ("set", "map") and isinstance(items, dict):
        if items.get("nullable"):
            detail = f"cannot be nullable when {_TYPE} is {listed}"
            causes.append(errors.forbidden_field(f"{field}.items.nullable", detail))
        if listed == "set" and items.get("type") == "object" and items.get(_MAP) != "atomic":
            detail = f"must be atomic as item of a list with {_TYPE}=set"
            causes.append(errors.invalid_value(f"{field}.items.{_MAP}", items.get(_MAP), detail))
    if listed == "map":
        _check_keys(items, keys, field, causes)


def _has_type(kind: Any, wanted: str, keyword: str, field: str, causes: list[Cause]) -> None:
    if kind != wanted:
        detail = f"must be {wanted} if {keyword} is specified"
        where = f"{field}.type"
        causes.append(errors.required(where, detail) if not kind else errors.invalid_value(where, kind, detail))


def _check_keys(items: Any, keys: list[str], field: str, causes: list[Cause]) -> None:
    if not keys:
        detail = f"must not be empty if {_TYPE} is map"
        causes.append(errors.required(f"{field}.{_KEYS}", detail))
    if not isinstance(items, dict):
        causes.append(errors.required(f"{field}.items", f"must have a schema if {_TYPE} is map"))
        return
    if items.get("type") != "object":
        detail = f"must be object if parent array's {_TYPE} is map"
        causes.append(errors.invalid_value(f"{field}.items.type", items.get("type", ""), detail))
        return
    properties = items.get("properties") or {}
    if len(set(keys)) != len(keys):
        causes.append(errors.invalid_value(f"{field}.{_KEYS}", keys, "must not contain duplicate entries"))
    for key in dict.fromkeys(keys):
        if key not in properties:
            detail = "entries must all be names of item properties"
            causes.append(errors.invalid_value(f"{field}.{_KEYS}", keys, detail))
            continue
        member, where = properties[key], f"{field}.items.properties[{key}]"
        if member.get("type") not in _SCALARS:
            detail = f"must be a scalar type if parent array's {_TYPE} is map"
            causes.append(errors.invalid_value(f"{where}.type", member.get("type", ""), detail))
        listed = f"this property is in {_KEYS}, so it"
        if member.get("nullable"):
            causes.append(errors.forbidden_field(f"{where}.nullable", f"{listed} cannot be nullable"))
        if key not in (items.get("required") or ()) and member.get("default") is None:
            detail = f"{listed} must have a default or be a required property"
            causes.append(errors.required(f"{where}.default", detail))
