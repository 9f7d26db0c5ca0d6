"""CustomResourceDefinitions as generators and people get them wrong, and some that only look wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.clusters.differential.requests import DEFINITIONS, Request, Theme, definition, post

_STRING = {"type": "string"}
_DRY = f"{DEFINITIONS}?dryRun=All"


def _one(name: str, schema: Any = None, **changes: Any) -> Request:
    """The definition is judged and not kept: names stay free, and nothing has to be removed."""
    return post(name, _DRY, definition({"type": "object"} if schema is None else schema, **changes))


def _spec(name: str, **members: Any) -> Request:
    """A schema in which ``spec`` has these members."""
    return _one(name, {"type": "object", "properties": {"spec": members}})


def _field(name: str, **members: Any) -> Request:
    """A schema in which ``spec.field`` has these members."""
    return _spec(name, type="object", properties={"field": members})


def _names(name: str, **changes: Any) -> Request:
    made = definition({"type": "object"})
    made["spec"]["names"].update(changes)
    return post(name, _DRY, made)


def _version(name: str, **members: Any) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": False,
        "schema": {"openAPIV3Schema": {"type": "object"}},
        **members,
    }


def _versions(name: str, *versions: Any, stays: str = "") -> Request:
    return replace(_one(name, None, versions=list(versions)), stays=stays)


def _without(name: str, *path: str) -> Request:
    made = definition({"type": "object"})
    place = made
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return post(name, _DRY, made)


def _named(name: str, metadata: str) -> Request:
    made = definition({"type": "object"})
    made["metadata"]["name"] = metadata
    return post(name, _DRY, made)


_COLUMN = {"name": "Field", "type": "string", "jsonPath": ".spec.field"}
_SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}

_PATTERNS = [
    _field(f"pattern with {what}", type="string", pattern=pattern)
    for what, pattern in (
        ("look-ahead", "^(?=.*a).*$"),
        ("negative look-ahead", "^(?!kube-).*$"),
        ("look-behind", "(?<=a)b"),
        ("back reference", r"(a)\1"),
        ("possessive quantifier", "a++"),
        ("atomic group", "(?>a)"),
        ("an open bracket", "[a-z"),
        ("an open parenthesis", "(a"),
        ("a lone star", "*"),
        ("a large count", "a{1,1001}"),
        ("Unicode class", r"^\p{L}+$"),
        ("hexadecimal escape", r"^[\x20-\x7e]*$"),
        ("named group", "(?P<year>[0-9]+)"),
        ("escape that is unknown", r"\y"),
    )
]
_SCHEMAS = [
    _one("no type at the root", {"properties": {}}),
    _one("string at the root", {"type": "string"}),
    _one("nullable root", {"type": "object", "nullable": True}),
    _one("unknown fields preserved at the root", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
    _one("metadata with properties", {"type": "object", "properties": {"metadata": {"type": "object", "properties": {
        "labels": {"type": "object", "additionalProperties": _STRING}}}}}),
    _one("metadata name with pattern", {"type": "object", "properties": {"metadata": {"type": "object", "properties": {
        "name": {"type": "string", "pattern": "^a"}}}}}),
    _one("kind with enum", {"type": "object", "properties": {"kind": {"type": "string", "enum": ["Thing"]}}}),
    _one("apiVersion of type integer", {"type": "object", "properties": {"apiVersion": {"type": "integer"}}}),
    _field("field without type"),
    _field("unknown type", type="text"),
    _field("type null", type="null"),
    _field("type list", type=["string", "null"]),
    _field("array without items", type="array"),
    _field("array with a list of items", type="array", items=[_STRING]),
    _field("items without type", type="array", items={}),
    _field("unique items", type="array", items=_STRING, uniqueItems=True),
    _field("properties beside additional ones", type="object", properties={"a": _STRING}, additionalProperties=_STRING),
    _field("additional properties false", type="object", additionalProperties=False),
    _field("additional properties false beside properties", type="object", properties={"a": _STRING},
           additionalProperties=False),
    _field("additional properties true", type="object", additionalProperties=True),
    _field("reference", **{"$ref": "#/definitions/a"}),
    _field("definitions", type="object", definitions={"a": _STRING}),
    _field("pattern properties", type="object", patternProperties={"a": _STRING}),
    _field("dependencies", type="object", dependencies={"a": ["b"]}),
    _field("additional items", type="array", items=_STRING, additionalItems=False),
    _field("identifier", type="string", id="a"),
    _field("keyword that is unknown", type="string", deprecated=True),
    _field("const", type="string", const="a"),
    _field("external documentation", type="string", externalDocs={"url": "https://example.org"}),
    _field("example", type="string", example="a"),
    _field("unknown format", type="string", format="hostname-or-not"),
    _field("minimum of a string", type="string", minimum=1),
    _field("minimum as text", type="integer", minimum="1"),
    _field("exclusive minimum as number", type="integer", exclusiveMinimum=1),
    _field("negative largest length", type="string", maxLength=-1),
    _field("fractional largest length", type="string", maxLength=1.5),
    _field("enum of other types", type="string", enum=["a", 1]),
    _field("empty enum", type="string", enum=[]),
    _field("enum with repeated value", type="string", enum=["a", "a"]),
    _field("required that is unknown", type="object", properties={"a": _STRING}, required=["b"]),
    _field("required as boolean", type="string", required=True),
    _field("multiple of zero", type="integer", multipleOf=0),
]  # fmt: skip
_LOGIC = [
    _field("type in anyOf", anyOf=[_STRING, {"type": "integer"}]),
    _field("type in anyOf beside type", type="string", anyOf=[{"type": "string", "minLength": 1}]),
    _field("description in oneOf", type="string", oneOf=[{"description": "a", "minLength": 1}]),
    _field("default in allOf", type="string", allOf=[{"default": "a"}]),
    _field("nullable in not", type="string", **{"not": {"nullable": True}}),
    _field("property only in anyOf", type="object", properties={"a": _STRING},
           anyOf=[{"properties": {"b": {"minLength": 1}}}]),
    _field("items only in anyOf", type="object", anyOf=[{"items": {"minLength": 1}}]),
    _field("additional properties in anyOf", type="object", additionalProperties=_STRING,
           anyOf=[{"additionalProperties": {"minLength": 1}}]),
    _field("required in anyOf", type="object", properties={"a": _STRING, "b": _STRING},
           anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
    _field("integer or string", **{"x-kubernetes-int-or-string": True}),
    _field("integer or string with type", type="string", **{"x-kubernetes-int-or-string": True}),
    _field("integer or string with anyOf", anyOf=[{"type": "integer"}, _STRING],
           **{"x-kubernetes-int-or-string": True}),
    _field("integer or string with other anyOf", anyOf=[_STRING, {"type": "integer"}],
           **{"x-kubernetes-int-or-string": True}),
    _field("integer or string false", type="string", **{"x-kubernetes-int-or-string": False}),
]  # fmt: skip
_DEFAULTS = [
    _field("default of another type", type="string", default=1),
    _field("default beyond the maximum", type="integer", maximum=3, default=4),
    _field("default that is not in the enum", type="string", enum=["a"], default="b"),
    _field("default against the pattern", type="string", pattern="^a", default="b"),
    _field("default null", type="string", default=None),
    _field("default null where nullable", type="string", nullable=True, default=None),
    _field("default with unknown field", type="object", properties={"a": _STRING}, default={"b": "c"}),
    _field("default without required field", type="object", properties={"a": _STRING}, required=["a"], default={}),
    _field("default with pruned required field", type="object", properties={"a": {"type": "string", "default": "x"}},
           required=["a"], default={}),
    _field("default in items", type="array", items={"type": "string", "default": "a"}),
    _field("default of additional properties", type="object", additionalProperties={"type": "string", "default": "a"}),
    _one("default in metadata", {"type": "object", "properties": {"metadata": {"type": "object", "properties": {
        "name": {"type": "string", "default": "a"}}}}}),
    _one("default of apiVersion", {"type": "object", "properties": {"apiVersion": {"type": "string", "default": "a"}}}),
]  # fmt: skip
_ITEM = {"type": "object", "properties": {"name": _STRING, "port": {"type": "integer"}}, "required": ["name"]}


def _listed(name: str, kind: Any, keys: Any = None, items: Any = None, **more: Any) -> Request:
    members: dict[str, Any] = {"type": "array", "items": _ITEM if items is None else items, **more}
    if kind is not None:
        members["x-kubernetes-list-type"] = kind
    if keys is not None:
        members["x-kubernetes-list-map-keys"] = keys
    return _field(name, **members)


_LISTS = [
    _listed("map without keys", "map"),
    _listed("map with no keys", "map", []),
    _listed("map with key", "map", ["name"]),
    _listed("map key that is unknown", "map", ["id"]),
    _listed("map key neither required nor defaulted", "map", ["port"]),
    _listed("map key twice", "map", ["name", "name"]),
    _listed("map key of type object", "map", ["name"], {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "object"}}}),
    _listed("nullable map key", "map", ["name"], {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "nullable": True}}}),
    _listed("map of strings", "map", ["name"], _STRING),
    _listed("map with nullable items", "map", ["name"], {**_ITEM, "nullable": True}),
    _listed("set of objects", "set", None, _ITEM),
    _listed("set of atomic objects", "set", None, {**_ITEM, "x-kubernetes-map-type": "atomic"}),
    _listed("set of lists", "set", None, {"type": "array", "items": _STRING}),
    _listed("set with nullable items", "set", None, {"type": "string", "nullable": True}),
    _listed("set with default", "set", None, _STRING, default=["a", "a"]),
    _listed("list type that is unknown", "bag", None, _STRING),
    _listed("keys without list type", None, ["name"]),
    _listed("keys of a set", "set", ["name"], _STRING),
    _listed("atomic list", "atomic", None, _STRING),
    _field("list type of an object", type="object", **{"x-kubernetes-list-type": "set"}),
    _field("map type of a string", type="string", **{"x-kubernetes-map-type": "atomic"}),
    _field("map type that is unknown", type="object", **{"x-kubernetes-map-type": "other"}),
    _field("granular map", type="object", **{"x-kubernetes-map-type": "granular"}),
    _field("embedded resource", type="object", **{"x-kubernetes-embedded-resource": True}),
    _field("embedded resource that preserves", type="object", **{
        "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}),
    _field("embedded resource of type string", type="string", **{"x-kubernetes-embedded-resource": True}),
    _field("embedded resource with properties", type="object", properties={"spec": {"type": "object"}},
           **{"x-kubernetes-embedded-resource": True}),
    _field("preserve false", type="object", **{"x-kubernetes-preserve-unknown-fields": False}),
    _field("preserve without type", **{"x-kubernetes-preserve-unknown-fields": True}),
    _field("preserve of a string", type="string", **{"x-kubernetes-preserve-unknown-fields": True}),
]  # fmt: skip
_STORED = {**_version("v1"), "storage": True}
_REST = [
    _without("no spec", "spec"),
    _without("no group", "spec", "group"),
    _without("no scope", "spec", "scope"),
    _without("no names", "spec", "names"),
    _without("no plural", "spec", "names", "plural"),
    _without("no kind", "spec", "names", "kind"),
    _without("no versions", "spec", "versions"),
    _without("no metadata name", "metadata", "name"),
    _without("no singular", "spec", "names", "singular"),
    _without("no list kind", "spec", "names", "listKind"),
    _named("name without group", "things"),
    _named("name of another group", "things.example.com"),
    _named("name with capitals", "Things.$GROUP"),
    _one("group without dot", None, group="example"),
    _one("group with capitals", None, group="Example.org"),
    _one("group of Kubernetes", None, group="things.k8s.io"),
    _one("scope that is unknown", None, scope="Global"),
    _one("cluster scope", None, scope="Cluster"),
    _names("plural with capitals", plural="Things"),
    _names("plural with underscore", plural="my_things"),
    _names("kind in lower case", kind="thing"),
    _names("kind with dash", kind="My-Thing"),
    _names("kind with underscore", kind="My_Thing"),
    _names("kind is list kind", kind="Thing", listKind="Thing"),
    _names("short name with capitals", shortNames=["TH"]),
    _names("short name with dot", shortNames=["a.b"]),
    _names("category with capitals", categories=["All"]),
    _names("singular with capitals", singular="Thing"),
    _versions("no version", stays="an empty list is the same as none"),
    _versions("no storage version", _version("v1")),
    _versions("two storage versions", _STORED, {**_version("v2"), "storage": True}),
    _versions("version twice", _STORED, _version("v1")),
    _versions("version with capitals", {**_STORED, "name": "V1"}),
    _versions("version with dot", {**_STORED, "name": "v1.2"}),
    _versions("version without schema", {"name": "v1", "served": True, "storage": True}),
    _versions("storage version not served", {**_STORED, "served": False}),
    _versions("stored version not served beside one that is", {**_STORED, "served": False}, _version("v2")),
    _versions("deprecation warning without deprecation", {**_STORED, "deprecationWarning": "old"}),
    _versions("empty deprecation warning", {**_STORED, "deprecated": True, "deprecationWarning": ""}),
    _versions("deprecation warning over two lines", {**_STORED, "deprecated": True, "deprecationWarning": "a\nb"}),
    _versions("long deprecation warning", {**_STORED, "deprecated": True, "deprecationWarning": "a" * 300}),
    _versions("served missing", {"name": "v1", "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}),
    _one("unknown fields preserved", None, preserveUnknownFields=True),
    _one("conversion that is unknown", None, conversion={"strategy": "Magic"}),
    _one("conversion without webhook", None, conversion={"strategy": "Webhook"}),
    _one("webhook without conversion", None, conversion={"strategy": "None", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://example.org/convert"}}}),
    _one("webhook without URL", None, conversion={"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {}}}),
    _one("webhook over plain HTTP", None, conversion={"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": "http://example.org/convert"}}}),
    _one("webhook without review versions", None, conversion={"strategy": "Webhook", "webhook": {
        "clientConfig": {"url": "https://example.org/convert"}}}),
    _one("column of unknown type", None, additionalPrinterColumns=[{**_COLUMN, "type": "text"}]),
    _one("column of unknown format", None, additionalPrinterColumns=[{**_COLUMN, "format": "text"}]),
    _one("column without path", None, additionalPrinterColumns=[{"name": "Field", "type": "string"}]),
    _one("column without name", None, additionalPrinterColumns=[{"type": "string", "jsonPath": ".spec"}]),
    _one("column path without dot", None, additionalPrinterColumns=[{**_COLUMN, "jsonPath": "spec.field"}]),
    _one("column path in braces", None, additionalPrinterColumns=[{**_COLUMN, "jsonPath": "{.spec.field}"}]),
    _one("column path that does not end", None, additionalPrinterColumns=[{**_COLUMN, "jsonPath": ".spec['field"}]),
    _one("column path with filter", None, additionalPrinterColumns=[
        {**_COLUMN, "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}]),
    _one("column path with bad filter", None, additionalPrinterColumns=[{**_COLUMN, "jsonPath": ".a[?(@.b=]"}]),
    _one("status subresource", None, subresources={"status": {}}),
    _one("subresource that is unknown", None, subresources={"logs": {}}),
    _one("scale", None, subresources={"scale": _SCALE}),
    _one("scale with selector", None, subresources={"scale": {**_SCALE, "labelSelectorPath": ".status.selector"}}),
    _one("scale without paths", None, subresources={"scale": {}}),
    _one("scale without status path", None, subresources={"scale": {"specReplicasPath": ".spec.replicas"}}),
    _one("scale path outside spec", None, subresources={"scale": {**_SCALE, "specReplicasPath": ".replicas"}}),
    _one("scale status path outside status", None, subresources={"scale": {**_SCALE, "statusReplicasPath": ".spec.a"}}),
    _one("scale path with index", None, subresources={"scale": {**_SCALE, "specReplicasPath": ".spec.items[0]"}}),
    _one("scale path without dot", None, subresources={"scale": {**_SCALE, "specReplicasPath": "spec.replicas"}}),
    _one("scale selector path outside spec and status", None, subresources={
        "scale": {**_SCALE, "labelSelectorPath": ".metadata.labels"}}),
]  # fmt: skip
_COLOURED = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
    "color": _STRING, "size": {"type": "integer"}, "on": {"type": "boolean"},
    "list": {"type": "array", "items": _STRING},
    "inner": {"type": "object", "properties": {"a": _STRING}},
    "open": {"type": "object", "additionalProperties": _STRING},
}}}}  # fmt: skip
_SELECTABLE = [
    _one(f"selectable {what}", _COLOURED, selectableFields=[{"jsonPath": path} for path in paths])
    for what, paths in (
        ("string", [".spec.color"]),
        ("integer", [".spec.size"]),
        ("boolean", [".spec.on"]),
        ("array", [".spec.list"]),
        ("array item", [".spec.list[0]"]),
        ("object", [".spec.inner"]),
        ("string in an object", [".spec.inner.a"]),
        ("member of a map", [".spec.open.a"]),
        ("field that is unknown", [".spec.colour"]),
        ("path without dot", ["spec.color"]),
        ("empty path", [""]),
        ("metadata", [".metadata.labels"]),
        ("path twice", [".spec.color", ".spec.color"]),
        ("fields beyond eight", [".spec.color"] * 9),
    )
]

_NULLS = [
    _spec("required with null", type="object", required=[None]),
    _spec("property null", type="object", properties={"field": None}),
    _spec("properties null", type="object", properties=None),
    _field("anyOf with null", type="string", anyOf=[{"maxLength": 3}, None]),
    _field("allOf null", type="string", allOf=None),
    _field("not null", type="string", **{"not": None}),
    _field("items null", type="array", items=None),
    _field("enum with null", type="string", enum=["a", None]),
    _field("default null", type="string", default=None),
    _field("maxLength null", type="string", maxLength=None),
    _field("pattern null", type="string", pattern=None),
    _field("type null", type=None),
    _field("additionalProperties null", type="object", additionalProperties=None),
    _field("rules with null", type="string", **{"x-kubernetes-validations": [None]}),
    _field("list keys with null", type="array", items={"type": "object", "properties": {"a": _STRING}},
           **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [None]}),
    _one("schema null", None, versions=[{"name": "v1", "served": True, "storage": True, "schema": None}]),
    _one("columns with null", None, additionalPrinterColumns=[None]),
    _one("selectable fields with null", None, selectableFields=[None]),
]  # fmt: skip

THEME = Theme(
    "broken-definitions",
    "Definitions: refused and accepted",
    [*_PATTERNS, *_SCHEMAS, *_LOGIC, *_DEFAULTS, *_LISTS, *_REST, *_SELECTABLE, *_NULLS],
)
