"""CustomResourceDefinitions: what they must say, and the resource types that they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.builders import OBJECT_META, STRING
from harness.clusters.embedded.builtin import AGE, CRD_TYPE, NAME
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.jsonpath import compile_path, simple_path
from harness.clusters.embedded.patterns import BadPattern, compile_pattern
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import Column, ResourceType
from harness.clusters.embedded.values import Object, copy_value, lookup

__all__ = ["complete_definition", "established_status", "types_of"]

_COLUMN_TYPES = ("integer", "number", "string", "boolean", "date")
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LOGICAL = ("allOf", "anyOf", "oneOf")
_NUMBER = (int, float)
_KEYWORDS: Mapping[str, type | tuple[type, ...]] = {
    "type": str,
    "format": str,
    "pattern": str,
    "description": str,
    "title": str,
    "nullable": bool,
    "required": list,
    "enum": list,
    "properties": dict,
    "items": dict,
    "additionalProperties": (dict, bool),
    "not": dict,
    **dict.fromkeys(_LOGICAL, list),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), _NUMBER),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), int),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), bool),
    "x-kubernetes-list-type": str,
    "x-kubernetes-list-map-keys": list,
    "x-kubernetes-map-type": str,
}
"""The types of a schema's keywords."""
_COLUMNS_LIMIT = 1000
"""A list as a table looks up all columns in every object."""
_STEPS_AN_INSTRUCTION = 2
"""Of the budget, for compiling one instruction of a pattern's program."""
_VERSION = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")


def complete_definition(new: Object, old: Object | None, budget: Budget) -> None:
    """Fill in the names that follow from others; refuse what is wrong or not implemented (422 with its causes).

    Raises :class:`OutOfBudget`.
    """
    spec = new["spec"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})
    causes = _causes(new["metadata"].get("name", ""), spec, budget)
    if old is not None:
        before = old["spec"]
        for member in ("group", "scope"):
            if spec[member] != before[member]:
                causes.append(errors.invalid_value(f"spec.{member}", spec[member], "field is immutable"))
        if names["kind"] != before["names"]["kind"]:
            causes.append(errors.invalid_value("spec.names.kind", names["kind"], "field is immutable"))
    if causes:
        raise errors.invalid(CRD_TYPE.group, CRD_TYPE.kind, new["metadata"].get("name", ""), causes)


def _causes(name: str, spec: Object, budget: Budget) -> list[Cause]:
    causes: list[Cause] = []
    plural, group, versions = spec["names"]["plural"], spec["group"], spec["versions"]
    if name and name != f"{plural}.{group}":
        causes.append(errors.invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if "." not in group:
        causes.append(errors.invalid_value("spec.group", group, "should be a domain with at least one dot"))
    if spec["scope"] not in ("Cluster", "Namespaced"):
        causes.append(errors.unsupported_value("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    if spec["conversion"]["strategy"] != "None":
        field = "spec.conversion.strategy"
        causes.append(errors.unsupported_value(field, spec["conversion"]["strategy"], ("None",)))
    if spec.get("preserveUnknownFields"):
        message = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema"
        causes.append(errors.invalid_value("spec.preserveUnknownFields", True, message))
    if sum(version["storage"] for version in versions) != 1:
        message = "must have exactly one version marked as storage version"
        causes.append(errors.invalid_value("spec.versions", [item["name"] for item in versions], message))
    if len({version["name"] for version in versions}) != len(versions):
        message = "must contain unique version names"
        causes.append(errors.invalid_value("spec.versions", [item["name"] for item in versions], message))
    for index, version in enumerate(versions):
        _check_version(version, f"spec.versions[{index}]", causes, budget)
    return causes


def _check_version(version: Object, field: str, causes: list[Cause], budget: Budget) -> None:
    if not _VERSION.match(version["name"]):
        causes.append(errors.invalid_value(f"{field}.name", version["name"], "a DNS-1035 label is needed"))
    if version["storage"] and not version["served"]:
        causes.append(errors.forbidden_field(f"{field}.served", "this server needs to serve the stored version"))
    schema = lookup(version, ("schema", "openAPIV3Schema"))
    if schema is None:
        causes.append(errors.required(f"{field}.schema.openAPIV3Schema", "schemas are required"))
    else:
        where = f"{field}.schema.openAPIV3Schema"
        if schema.get("type") != "object":
            causes.append(errors.invalid_value(f"{where}.type", schema.get("type", ""), "must be object at the root"))
        _check_schema(schema, where, causes, budget)
    columns = version.get("additionalPrinterColumns") or ()
    if len(columns) > _COLUMNS_LIMIT:
        causes.append(errors.too_many(f"{field}.additionalPrinterColumns", len(columns), _COLUMNS_LIMIT))
    for number, column in enumerate(columns):
        where = f"{field}.additionalPrinterColumns[{number}]"
        if column["type"] not in _COLUMN_TYPES:
            message = f"must be one of {','.join(_COLUMN_TYPES)}"
            causes.append(errors.invalid_value(f"{where}.type", column["type"], message))
        try:
            compile_path(column["jsonPath"])
        except ValueError as error:
            causes.append(errors.invalid_value(f"{where}.jsonPath", column["jsonPath"], f"is an invalid path: {error}"))
    for number, selectable in enumerate(version.get("selectableFields") or ()):
        where = f"{field}.selectableFields[{number}].jsonPath"
        try:
            simple_path(selectable["jsonPath"])
        except ValueError as error:
            causes.append(errors.invalid_value(where, selectable["jsonPath"], f"is an invalid path: {error}"))


def _check_schema(schema: Object, field: str, causes: list[Cause], budget: Budget, *, structural: bool = True) -> None:
    """Structural rules, patterns that do not compile, and what is refused because it would not be enforced."""
    budget.spend(1, field)
    misfits = [name for name, kinds in _KEYWORDS.items() if name in schema and not isinstance(schema[name], kinds)]
    causes.extend(
        errors.invalid_value(f"{field}.{name}", schema[name], "is not of the keyword's type") for name in misfits
    )
    if misfits or not _check_nested(schema, field, causes):
        return
    kind = schema.get("type")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if kind is not None and kind not in _TYPES:
        causes.append(errors.unsupported_value(f"{field}.type", kind, _TYPES))
    if structural and kind is None and not free:
        causes.append(errors.required(f"{field}.type", "must not be empty for specified object fields"))
    if schema.get("x-kubernetes-validations"):
        where = f"{field}.x-kubernetes-validations"
        causes.append(errors.forbidden_field(where, "CEL rules are not evaluated by this server"))
    causes.extend(
        errors.forbidden_field(f"{field}.{keyword}", f"{keyword} is not supported")
        for keyword in ("$ref", "definitions", "dependencies", "patternProperties", "uniqueItems")
        if schema.get(keyword)
    )
    if pattern := schema.get("pattern"):
        try:
            budget.spend(compile_pattern(pattern).size * _STEPS_AN_INSTRUCTION, field)
        except BadPattern as error:
            message = f"must be a valid regular expression, but isn't: {error}"
            causes.append(errors.invalid_value(f"{field}.pattern", pattern, message))
    if structural and kind == "array" and not isinstance(schema.get("items"), dict):
        causes.append(errors.required(f"{field}.items", "must be specified"))
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get("x-kubernetes-list-map-keys"):
        where = f"{field}.x-kubernetes-list-map-keys"
        causes.append(errors.required(where, "must not be empty if x-kubernetes-list-type is map"))
    additional = schema.get("additionalProperties")
    if schema.get("properties") and additional is not None and additional is not False:
        message = "additionalProperties and properties are mutual exclusive"
        causes.append(errors.forbidden_field(f"{field}.additionalProperties", message))
    for name, child in (schema.get("properties") or {}).items():
        _check_schema(child, f"{field}.properties[{name}]", causes, budget, structural=structural)
    for keyword in ("items", "additionalProperties", "not"):
        if isinstance(child := schema.get(keyword), dict):
            _check_schema(child, f"{field}.{keyword}", causes, budget, structural=structural and keyword != "not")
    for keyword in _LOGICAL:
        for index, child in enumerate(schema.get(keyword) or ()):
            _check_schema(child, f"{field}.{keyword}[{index}]", causes, budget, structural=False)


def _check_nested(schema: Object, field: str, causes: list[Cause]) -> bool:
    """Whether all that has to be a schema in a schema is a JSON object."""
    nested = [(f"{field}.properties[{name}]", child) for name, child in (schema.get("properties") or {}).items()]
    for keyword in _LOGICAL:
        nested += [(f"{field}.{keyword}[{index}]", child) for index, child in enumerate(schema.get(keyword) or ())]
    wrong = [errors.invalid_value(where, child, "is no schema") for where, child in nested if type(child) is not dict]
    wrong += [
        errors.invalid_value(f"{field}.{keyword}", schema[keyword], "has to be a list of names")
        for keyword in ("required", "x-kubernetes-list-map-keys")
        if not all(isinstance(name, str) for name in schema.get(keyword) or ())
    ]
    causes.extend(wrong)
    return not wrong


def types_of(definition: Object) -> list[ResourceType]:
    """The served versions of a definition, the stored one first."""
    spec = definition["spec"]
    versions = [version for version in spec["versions"] if version["served"]]
    stored = next(f"{spec['group']}/{version['name']}" for version in versions if version["storage"])
    return [_type(spec, version, stored) for version in sorted(versions, key=lambda version: not version["storage"])]


def _type(spec: Object, version: Object, stored_as: str) -> ResourceType:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    served_as = f"{spec['group']}/{version['name']}"
    columns = version.get("additionalPrinterColumns")
    return ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        schema=Schema(_with_metadata(version["schema"]["openAPIV3Schema"])),
        namespaced=spec["scope"] == "Namespaced",
        singular=names["singular"],
        list_kind=names["listKind"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in subresources,
        counts_generation=True,
        custom=True,
        unconditional_update=False,
        columns=(NAME, *map(_column, columns)) if columns else (NAME, AGE),
        selectable={
            item["jsonPath"].lstrip("."): simple_path(item["jsonPath"])
            for item in version.get("selectableFields") or ()
        },
        from_storage=None if served_as == stored_as else _as(served_as),
        to_storage=None if served_as == stored_as else _as(stored_as),
    )


def _as(api_version: str) -> Any:
    return lambda stored: {**stored, "apiVersion": api_version}


def _column(raw: Object) -> Column:
    return Column(
        raw["name"],
        compile_path(raw["jsonPath"]),
        raw["type"],
        raw.get("description", ""),
        raw.get("format", ""),
        raw.get("priority", 0),
    )


def _with_metadata(schema: Object) -> Object:
    """The schema with the metadata of every object, narrowed by what the definition says of the name."""
    own = lookup(schema, ("properties", "metadata", "properties")) or {}
    members = {**OBJECT_META["properties"], **{name: {**STRING, **item} for name, item in own.items()}}
    metadata = {**OBJECT_META, "properties": members}
    properties = {"apiVersion": STRING, "kind": STRING, **(schema.get("properties") or {}), "metadata": metadata}
    return {**schema, "properties": properties}


def established_status(definition: Object, taken: set[str], now: str) -> Object:
    """The status of a definition that is served at once; ``taken`` are the kinds of its group that others have."""
    names = definition["spec"]["names"]
    storage = next(version["name"] for version in definition["spec"]["versions"] if version["storage"])
    accepted = names["kind"] not in taken
    conditions = [
        _condition("NamesAccepted", accepted, "NoConflicts", "no conflicts found", now)
        if accepted
        else _condition("NamesAccepted", False, "KindConflict", f'"{names["kind"]}" is already in use', now),
        _condition("Established", accepted, "InitialNamesAccepted", "the initial names have been accepted", now)
        if accepted
        else _condition("Established", False, "NotAccepted", "not all names are accepted", now),
    ]
    before = definition.get("status") or {}
    known = before.get("conditions") or []
    if [_verdict(one) for one in known[:2]] == [_verdict(one) for one in conditions]:
        conditions = known
    versions = list(dict.fromkeys([*(before.get("storedVersions") or ()), storage]))
    return {
        "conditions": conditions,
        "acceptedNames": copy_value(names) if accepted else {"plural": "", "kind": ""},
        "storedVersions": versions,
    }


def _verdict(condition: Object) -> tuple[str, str, str]:
    return condition["type"], condition["status"], condition.get("reason", "")


def _condition(kind: str, holds: bool, reason: str, message: str, now: str) -> Object:
    status = "True" if holds else "False"
    return {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
