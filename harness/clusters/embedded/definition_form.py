"""The form of schemas in CustomResourceDefinitions: every keyword with its type, unknown ones removed.

Kubernetes decodes a schema into a Go structure: a value of another type is a bad request; empty values are left out.
"""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import bad_request
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object, lookup

__all__ = ["LOGICAL", "keep_null_properties", "know_schemas", "read_form"]

LOGICAL = ("allOf", "anyOf", "oneOf")
_STRINGS = ("$ref", "$schema", "description", "format", "id", "pattern", "title", "type", "x-kubernetes-list-type",
            "x-kubernetes-map-type")  # fmt: skip
_FLAGS = ("exclusiveMaximum", "exclusiveMinimum", "nullable", "uniqueItems", "x-kubernetes-embedded-resource",
          "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")  # fmt: skip
_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_NUMBERS = ("maximum", "minimum", "multipleOf")
_NAMES = ("required", "x-kubernetes-list-map-keys")
_SCHEMAS = ("definitions", "patternProperties", "properties")
_POINTERS = ("x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields")
"""Keywords that are kept though they are empty."""
_JSON_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_RULE = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")
_LEAF: Object = {"x-kubernetes-preserve-unknown-fields": True}


def _recursive() -> Schema:
    others = ("default", "enum", "example", "externalDocs", "additionalItems", "dependencies")
    leaves = (*_STRINGS, *_FLAGS, *_COUNTS, *_NUMBERS, *_NAMES, *others)
    rules = {"items": {"properties": dict.fromkeys(_RULE, _LEAF)}}
    made = Schema({"properties": {**dict.fromkeys(leaves, _LEAF), "x-kubernetes-validations": rules}})
    made.properties.update(dict.fromkeys(("items", "additionalProperties", "not"), made))
    for name in _SCHEMAS:
        made.properties[name] = Schema(_LEAF)
        made.properties[name].additional = made
    for name in LOGICAL:
        made.properties[name] = Schema(_LEAF)
        made.properties[name].items = made
    return made


JSON_SCHEMA = _recursive()
"""The schema of schemas, for pruning alone: their values are judged by :func:`read_form`."""


def know_schemas(definition: Schema) -> None:
    """Let the schema of a CustomResourceDefinition know the keywords of the schemas in it."""
    versions = definition.properties["spec"].properties["versions"].items
    if versions is not None:
        versions.properties["schema"].properties["openAPIV3Schema"] = JSON_SCHEMA


def keep_null_properties(definition: Object) -> None:
    """Make null in the maps of schemas of a definition the empty schema, in place, as Go reads it. Other members that
    are null count as absent."""
    versions = lookup(definition, ("spec", "versions"))
    for version in versions if type(versions) is list else ():
        _keep(lookup(version, ("schema", "openAPIV3Schema")))


def _keep(schema: Any) -> None:
    if type(schema) is not dict:
        return
    for name in _SCHEMAS:
        if type(children := schema.get(name)) is dict:
            children.update({key: {} for key, child in children.items() if child is None})
            for child in children.values():
                _keep(child)
    for name in ("items", "additionalProperties", "not"):
        _keep(schema.get(name))
    for name in LOGICAL:
        if type(children := schema.get(name)) is list:
            for child in children:
                _keep(child)


def read_form(schema: Any, path: str, budget: Budget) -> None:
    """Check the types of a schema's keywords, and remove empty ones, in place. Raises the 400 refusal."""
    budget.spend(1, path)
    if type(schema) is not dict:
        _refuse(schema, path, "v1.JSONSchemaProps")
        return
    for name in [name for name, value in schema.items() if value is None and name != "default"]:
        del schema[name]
    for names, kinds, go in (
        (_STRINGS, (str,), "string"),
        (_FLAGS, (bool,), "bool"),
        (_COUNTS, (int,), "int64"),
        (_NUMBERS, (int, float), "float64"),
        (_NAMES, (list,), "[]string"),
        (("enum",), (list,), "[]v1.JSON"),
        (_SCHEMAS, (dict,), "map[string]v1.JSONSchemaProps"),
        (LOGICAL, (list,), "[]v1.JSONSchemaProps"),
        (("x-kubernetes-validations",), (list,), "v1.ValidationRules"),
    ):
        for name in names:
            if name in schema:
                if type(schema[name]) not in kinds:
                    _refuse(schema[name], f"{path}.{name}", go)
                if not schema[name] and type(schema[name]) not in (int, float) and name not in _POINTERS:
                    del schema[name]
    # Go reads null as the empty value of a type that has no null.
    for name in _NAMES:
        for number, item in enumerate(schema.get(name, ())):
            if item is None:
                schema[name][number] = ""
            elif type(item) is not str:
                _refuse(item, f"{path}.{name}", "string")
    for name in _SCHEMAS:
        for key, child in schema.get(name, {}).items():
            if child is None:
                schema[name][key] = {}
            else:
                read_form(child, f"{path}.{name}", budget)
    rules = schema.get("x-kubernetes-validations", [])
    rules[:] = [{} if rule is None else rule for rule in rules]
    for name in LOGICAL:
        for number, child in enumerate(schema.get(name, ())):
            if child is None:
                schema[name][number] = {}
            else:
                read_form(child, f"{path}.{name}", budget)
    if "not" in schema:
        read_form(schema["not"], f"{path}.not", budget)
    if isinstance(schema.get("items"), dict):
        read_form(schema["items"], path, budget)
    if isinstance(schema.get("additionalProperties"), dict):
        read_form(schema["additionalProperties"], path, budget)


def _refuse(value: Any, path: str, go: str) -> None:
    found = _JSON_NAMES[type(value)]
    if found == "number" and go == "int64":
        found += f" {value}"
    message = f"json: cannot unmarshal {found} into Go struct field JSONSchemaProps.{path} of type {go}"
    kind = "CustomResourceDefinition"
    raise bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {message}')
