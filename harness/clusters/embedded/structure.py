"""The structure of schemas: types everywhere, and only value checks inside ``anyOf``, ``allOf``, ``oneOf``, ``not``."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.definition_form import LOGICAL
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = ["structural_causes"]

_EMBEDDED, _EITHER, _OPEN = (
    "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
)  # fmt: skip
_INTEGER_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_NESTED = {
    **dict.fromkeys(
        ("type", "title", "description", "x-kubernetes-list-map-keys", "x-kubernetes-validations"), "empty"
    ),
    **dict.fromkeys(
        ("additionalProperties", "default", "x-kubernetes-list-type", "x-kubernetes-map-type"), "undefined"
    ),
    **dict.fromkeys(("nullable", _EMBEDDED, _EITHER, _OPEN), "false"),
}
"""The state that keywords must have inside value checks."""
_WHERE = {"root": "at the root", "item": "for specified array items", "field": "for specified object fields"}


def structural_causes(schema: Object, field: str, causes: list[Cause], budget: Budget, level: str = "root") -> None:
    """Append the faults of a schema's structure. Raises :class:`OutOfBudget`."""
    budget.spend(1, field)
    kind, embedded = schema.get("type", ""), bool(schema.get(_EMBEDDED))
    if embedded and kind != "object":
        where, detail = f"{field}.type", f"must be object if {_EMBEDDED} is true"
        causes.append(errors.invalid_value(where, kind, detail) if kind else errors.required(where, detail))
    elif not kind and not schema.get(_EITHER) and not schema.get(_OPEN):
        causes.append(errors.required(f"{field}.type", f"must not be empty {_WHERE[level]}"))
    if embedded and schema.get("additionalProperties") is not None:
        detail = f"must not be used if {_EMBEDDED} is set"
        causes.append(errors.forbidden_field(f"{field}.additionalProperties", detail))
    if level == "root" and kind not in ("", "object"):
        causes.append(errors.invalid_value(f"{field}.type", kind, "must be object at the root"))
    properties = schema.get("properties") or {}
    if level == "root" or embedded:
        _check_own(properties, field, causes)
    if embedded and not schema.get(_OPEN) and not properties:
        detail = f"must not be empty if {_EMBEDDED} is true without {_OPEN}"
        causes.append(errors.required(f"{field}.properties", detail))
    _check_logic(schema, field, causes)
    for name, child in properties.items():
        structural_causes(child, f"{field}.properties[{name}]", causes, budget, "field")
    if isinstance(child := schema.get("items"), dict):
        structural_causes(child, f"{field}.items", causes, budget, "item")
    if isinstance(child := schema.get("additionalProperties"), dict):
        structural_causes(child, f"{field}.additionalProperties", causes, budget, "field")


def _check_own(properties: Object, field: str, causes: list[Cause]) -> None:
    """The members that every object has."""
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in properties and (found := properties[name].get("type", "")) != wanted:
            causes.append(errors.invalid_value(f"{field}.properties[{name}].type", found, f"must be {wanted}"))
    metadata = properties.get("metadata")
    if metadata is not None and (
        set(metadata) - {"type", "description", "properties"}
        or not set(metadata.get("properties") or ()) <= {"name", "generateName"}
    ):
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        causes.append(errors.forbidden_field(f"{field}.properties[metadata]", detail))


def _check_logic(schema: Object, field: str, causes: list[Cause]) -> None:
    for keyword in LOGICAL:
        for index, child in enumerate(schema.get(keyword) or ()):
            where = f"{field}.{keyword}[{index}]"
            if keyword == "anyOf" and schema.get(_EITHER) and schema[keyword] == _INTEGER_OR_STRING:
                continue
            if keyword == "allOf" and index == 0 and schema.get(_EITHER) and child.get("anyOf") == _INTEGER_OR_STRING:
                child = {name: value for name, value in child.items() if name != "anyOf"}
            _check_nested(child, where, causes)
    if isinstance(child := schema.get("not"), dict):
        _check_nested(child, f"{field}.not", causes)


def _check_nested(schema: Any, field: str, causes: list[Cause]) -> None:
    causes.extend(
        errors.forbidden_field(f"{field}.{keyword}", f"must be {state} to be structural")
        for keyword, state in _NESTED.items()
        if schema.get(keyword) is not None and (schema[keyword] or state == "undefined")
    )
    for name, child in (schema.get("properties") or {}).items():
        _check_nested(child, f"{field}.properties[{name}]", causes)
    for keyword in ("items", "not"):
        if isinstance(child := schema.get(keyword), dict):
            _check_nested(child, f"{field}.{keyword}", causes)
    for keyword in LOGICAL:
        for index, child in enumerate(schema.get(keyword) or ()):
            _check_nested(child, f"{field}.{keyword}[{index}]", causes)
