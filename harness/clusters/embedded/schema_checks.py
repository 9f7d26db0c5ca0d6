"""The rules that a definition's schema has to keep: those of OpenAPI as Kubernetes has it, then those of structure.

The second kind is only looked at where the first has found nothing. The words are those of apiextensions-apiserver.
"""

from __future__ import annotations

import marshal
from functools import lru_cache
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.cel.rule_checks import check_rules
from harness.clusters.embedded.definition_form import LOGICAL
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.list_checks import list_causes
from harness.clusters.embedded.patterns import BadPattern, compile_pattern
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.structure import structural_causes
from harness.clusters.embedded.values import Object, copy_value, drop_nulls

__all__ = ["check_schema"]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_FORMATS = frozenset(
    ("bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3", "uuid4", "uuid5",
     "isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor", "byte", "password", "date", "duration",
     "date-time", "datetime", "int32", "int64", "float", "double", "k8s-short-name", "k8s-long-name")
)  # fmt: skip
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_STEPS_AN_INSTRUCTION = 2
"""Of the budget, for compiling one instruction of a pattern's program."""


def check_schema(schema: Object, field: str, budget: Budget, warnings: list[str]) -> list[Cause]:
    """The faults of a version's schema. Raises :class:`OutOfBudget`."""
    causes, warned, steps = _judged(marshal.dumps(schema, 2), field)
    budget.spend(steps, field)
    warnings.extend(warned)
    return list(causes)


@lru_cache(maxsize=16)
def _judged(serialized: bytes, field: str) -> tuple[tuple[Cause, ...], tuple[str, ...], int]:
    """Its faults, the warnings, and the steps that it took. The last schemas are kept: each server of a process gets
    the platform's definitions. ``serialized``: by marshal, in the form without references, which equal values share."""
    warnings: list[str] = []
    causes = _causes(marshal.loads(serialized), field, budget := Budget(), warnings)
    return tuple(causes), tuple(warnings), budget.spent


def _causes(schema: Object, field: str, budget: Budget, warnings: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    if schema.get("nullable"):
        causes.append(errors.forbidden_field(f"{field}.nullable", "nullable cannot be true at the root"))
    _check(schema, field, causes, budget, warnings)
    if not causes:
        structural_causes(schema, field, causes, budget)
    if not causes:
        check_rules(schema, field, causes)
        _check_defaults(schema, field, causes, budget)
        for name in ("metadata", "apiVersion", "kind"):
            child = (schema.get("properties") or {}).get(name)
            if child is not None:
                _forbid_defaults(child, f"{field}.properties[{name}]", name, causes)
    return causes


def _check(schema: Object, field: str, causes: list[Cause], budget: Budget, warnings: list[str]) -> None:
    budget.spend(1, field)
    kind = schema.get("type")
    causes.extend(
        errors.forbidden_field(f"{field}.{keyword}", f"{keyword} is not supported")
        for keyword in _UNSUPPORTED
        if keyword in schema
    )
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(errors.forbidden_field(f"{field}.uniqueItems", detail))
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        causes.append(errors.forbidden_field(f"{field}.type", detail))
    if kind is not None and kind not in _TYPES:
        causes.append(errors.unsupported_value(f"{field}.type", kind, _TYPES))
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        where = f"{field}.x-kubernetes-preserve-unknown-fields"
        causes.append(errors.invalid_value(where, False, "must be true or undefined"))
    name = schema.get("format", "")
    if kind == "string" and name and name not in _FORMATS and (text := f'unrecognized format "{name}"') not in warnings:
        warnings.append(text)
    if pattern := schema.get("pattern"):
        try:
            budget.spend(compile_pattern(pattern).size * _STEPS_AN_INSTRUCTION, field)
        except BadPattern as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            causes.append(errors.invalid_value(f"{field}.pattern", pattern, detail))
    if schema.get("properties") and schema.get("additionalProperties") is not None:
        detail = "additionalProperties and properties are mutual exclusive"
        causes.append(errors.forbidden_field(f"{field}.additionalProperties", detail))
    items = schema.get("items")
    if isinstance(items, list):
        detail = "items must be a schema object and not an array"
        causes.append(errors.forbidden_field(f"{field}.items", detail))
    elif kind == "array" and not isinstance(items, dict):
        causes.append(errors.required(f"{field}.items", "must be specified"))
    list_causes(schema, field, causes)
    for where, child in _children(schema, field):
        _check(child, where, causes, budget, warnings)


def _children(schema: Object, field: str) -> list[tuple[str, Object]]:
    found = [(f"{field}.properties[{name}]", child) for name, child in (schema.get("properties") or {}).items()]
    found += [
        (f"{field}.{keyword}", child)
        for keyword in ("items", "additionalProperties", "not")
        if isinstance(child := schema.get(keyword), dict)
    ]
    for keyword in LOGICAL:
        found += [(f"{field}.{keyword}[{index}]", child) for index, child in enumerate(schema.get(keyword) or ())]
    return found


def _check_defaults(schema: Object, field: str, causes: list[Cause], budget: Budget) -> None:
    """Every default fits its own schema, and says nothing that would be removed."""
    if schema.get("default") is not None:
        where = f"{field}.default"
        value: Any = copy_value(schema["default"])
        compiled = Schema(schema)
        unknown: list[str] = []
        drop_nulls(value, None)
        compiled.prune(value, None, "", unknown)
        found: list[Cause] = []
        if unknown:
            found.append(errors.invalid_value(where, schema["default"], "must not have unknown fields"))
        else:
            compiled.validate(value, None, "", found, budget)
        causes.extend(_placed(cause, where) for cause in found if cause.reason != "FieldValueDuplicate")
    for where, child in _children(schema, field):
        _check_defaults(child, where, causes, budget)


def _placed(cause: Cause, where: str) -> Cause:
    """A fault of a value as one of the default."""
    inner = cause.field.removeprefix(where)
    path = f"{where}.{inner}" if inner and not inner.startswith("[") else where + inner
    return Cause(cause.reason, path, cause.message)


def _forbid_defaults(schema: Object, field: str, name: str, causes: list[Cause]) -> None:
    if "default" in schema:
        causes.append(errors.forbidden_field(f"{field}.default", f"must not be set in top-level {name}"))
    for where, child in _children(schema, field):
        _forbid_defaults(child, where, name, causes)
