"""What becomes of values: null, defaults, unknown fields, types, lengths, and objects embedded in others."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import OBJECTS, Request, Theme, custom, definition, get, patch, post, put

_STRING = {"type": "string"}
_ITEM = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": _STRING, "weight": {"type": "integer", "default": 1}, "note": _STRING},
}
_PAIR = {"type": "object", "properties": {"a": _STRING, "b": _STRING}}
_SPEC: dict[str, Any] = {
    "plain": _STRING,
    "nullable": {"type": "string", "nullable": True},
    "filled": {"type": "string", "default": "x"},
    "either": {"type": "string", "nullable": True, "default": "x"},
    "empty": {"type": "string", "nullable": True, "default": None},
    "size": {"type": "integer", "minimum": 1, "maximum": 9},
    "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0, "multipleOf": 0.5},
    "on": {"type": "boolean"},
    "color": {"type": "string", "enum": ["red", "blue"]},
    "code": {"type": "string", "pattern": "^[a-z]{2,4}$"},
    "short": {"type": "string", "minLength": 2, "maxLength": 4},
    "few": {"type": "array", "items": _STRING, "minItems": 1, "maxItems": 2},
    "unique": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
    "keyed": {
        "type": "array",
        "items": _ITEM,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "map": {"type": "object", "additionalProperties": _STRING, "minProperties": 1, "maxProperties": 2},
    "limits": {
        "type": "object",
        "default": {},
        "properties": {"cpu": {"type": "string", "default": "1"}, "memory": {"type": "string", "default": "1Gi"}},
    },
    "inner": {
        "type": "object",
        "required": ["b"],
        "properties": {"a": {"type": "string", "default": "x"}, "b": _STRING},
    },
    "port": {"x-kubernetes-int-or-string": True},
    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "half": {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"known": {"type": "object", "properties": {"a": _STRING}}},
    },
    "object": {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    },
    "typed": {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"spec": {"type": "object", "properties": {"a": _STRING}}},
    },
    "any": {**_PAIR, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "one": {**_PAIR, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "all": {"type": "string", "allOf": [{"minLength": 2}, {"pattern": "^a"}]},
    "never": {"type": "string", "not": {"enum": ["forbidden"]}},
}  # fmt: skip
_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": _SPEC},
        "status": {"type": "object", "properties": {"phase": _STRING, "count": {"type": "integer", "default": 0}}},
    },
}


def _made(name: str, **spec: Any) -> Request:
    """An object with this ``spec``; judged, not kept."""
    return post(name, f"{OBJECTS}?dryRun=All", _thing("one", **spec))


def _thing(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


_EMBEDDED: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inner"}, "data": {"a": "b"}}

_CREATED = [
    _made("empty spec"),
    _made("null in a plain field", plain=None),
    _made("null in a nullable field", nullable=None),
    _made("null in a field with default", filled=None),
    _made("null in a nullable field with default", either=None),
    _made("null in an array", few=["a", None]),
    _made("null in a map", map={"a": None}),
    _made("null in a map that has others", map={"a": None, "b": "c"}),
    _made("null as a list", few=None),
    _made("null as a keyed list", keyed=None),
    _made("null in an item", keyed=[{"name": "a", "note": None}]),
    _made("null in a required field", inner={"b": None}),
    _made("null in an open object", open={"a": None}),
    _made("null as an object with defaults", limits=None),
    _made("null as a boolean", on=None),
    _made("null as an integer or string", port=None),
    _made("defaults of an item", keyed=[{"name": "a"}]),
    _made("defaults of an object", limits={}),
    _made("some defaults of an object", limits={"cpu": "2"}),
    _made("required field missing", inner={}),
    _made("unknown field", other=1),
    _made("unknown fields, one in another", inner={"b": "c", "other": {"a": 1}}),
    _made("unknown field in an item", keyed=[{"name": "a", "other": 1}]),
    _made("unknown field in an open object", open={"other": {"a": [1, None]}}),
    _made("unknown field in a known one of an open object", half={"known": {"a": "b", "other": 1}, "more": 1}),
    _made("integer as text", size="1"),
    _made("integer with fraction", size=1.5),
    _made("integer written as a number", size=2.0),
    _made("integer below the minimum", size=0),
    _made("integer above the maximum", size=10),
    _made("number at an exclusive minimum", ratio=0),
    _made("number that is not a multiple", ratio=0.7),
    _made("text as integer", plain=1),
    _made("text as boolean", plain=True),
    _made("boolean as text", on="true"),
    _made("object as text", inner="a"),
    _made("array as object", few={}),
    _made("map as array", map=[]),
    _made("value of another enum", color="green"),
    _made("empty value of an enum", color=""),
    _made("text against the pattern", code="ABC"),
    _made("text too short", short="a"),
    _made("text too long", short="abcde"),
    _made("text of wide characters", short="äöüß"),
    _made("too few items", few=[]),
    _made("too many items", few=["a", "b", "c"]),
    _made("repeated value in a set", unique=["a", "b", "a"]),
    _made("repeated key", keyed=[{"name": "a"}, {"name": "a"}]),
    _made("missing key", keyed=[{"weight": 1}]),
    _made("too few members", map={}),
    _made("too many members", map={"a": "1", "b": "2", "c": "3"}),
    _made("member of another type", map={"a": 1}),
    _made("integer for an integer or string", port=1),
    _made("text for an integer or string", port="http"),
    _made("boolean for an integer or string", port=True),
    _made("number for an integer or string", port=1.5),
    _made("several faults", plain=1, size=0, color="green", few=[]),
    _made("neither of anyOf", any={}),
    _made("both of anyOf", any={"a": "1", "b": "2"}),
    _made("neither of oneOf", one={}),
    _made("both of oneOf", one={"a": "1", "b": "2"}),
    _made("one part of allOf", all="bc"),
    _made("no part of allOf", all="b"),
    _made("what not forbids", never="forbidden"),
    _made("embedded object", object=_EMBEDDED),
    _made("embedded object without kind", object={"apiVersion": "v1", "metadata": {"name": "inner"}}),
    _made("embedded object without version", object={"kind": "ConfigMap"}),
    _made("embedded object that is empty", object={}),
    _made("embedded object with empty kind", object={**_EMBEDDED, "kind": ""}),
    _made("embedded object with bad kind", object={**_EMBEDDED, "kind": "a b"}),
    _made("embedded object with bad version", object={**_EMBEDDED, "apiVersion": "a/b/c"}),
    _made("embedded object with bad name", object={**_EMBEDDED, "metadata": {"name": "A_B"}}),
    _made("embedded object without name", object={**_EMBEDDED, "metadata": {}}),
    _made("embedded object with bad label", object={**_EMBEDDED, "metadata": {"labels": {"a": "b c"}}}),
    _made("embedded object with wrong labels", object={**_EMBEDDED, "metadata": {"labels": ["a"]}}),
    _made("embedded object with unknown metadata", object={**_EMBEDDED, "metadata": {"name": "a", "other": 1}}),
    _made("embedded object with creation time", object={**_EMBEDDED, "metadata": {"creationTimestamp": None}}),
    _made("embedded object with properties", typed={**_EMBEDDED, "spec": {"a": "b", "c": "d"}}),
    post("spec is text", f"{OBJECTS}?dryRun=All", {**_thing("one"), "spec": "a"}),
    post("spec is missing", f"{OBJECTS}?dryRun=All",
         {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": "a"}}),
    post("unknown field at the root", f"{OBJECTS}?dryRun=All", {**_thing("one"), "other": 1}),
    post("unknown field, strictly", f"{OBJECTS}?dryRun=All&fieldValidation=Strict", _thing("one", other=1)),
    post("unknown field, ignored", f"{OBJECTS}?dryRun=All&fieldValidation=Ignore", _thing("one", other=1)),
    post("several unknown fields", f"{OBJECTS}?dryRun=All", _thing("one", b=1, a={"c": 1}, limits={"gpu": 1})),
    post("several unknown fields, strictly", f"{OBJECTS}?dryRun=All&fieldValidation=Strict", _thing("one", b=1, a=1)),
    post("repeated field", f"{OBJECTS}?dryRun=All",
         '{"apiVersion":"$GROUP/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"plain":"a","plain":"b"}}'),
    post("repeated field, strictly", f"{OBJECTS}?dryRun=All&fieldValidation=Strict",
         '{"apiVersion":"$GROUP/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"plain":"a","plain":"b"}}'),
    post("large integer", f"{OBJECTS}?dryRun=All",
         '{"apiVersion":"$GROUP/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"open":{"n":12345678901234567890}}}'),
    post("number with exponent", f"{OBJECTS}?dryRun=All",
         '{"apiVersion":"$GROUP/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"ratio":1e1}}'),
    post("unknown metadata", f"{OBJECTS}?dryRun=All", {**_thing("one"), "metadata": {"name": "one", "other": 1}}),
    post("status in a new object", f"{OBJECTS}?dryRun=All", {**_thing("one"), "status": {"phase": "Ready"}}),
]  # fmt: skip
_CHANGED = [
    post("create", OBJECTS, _thing("one", plain="a", keyed=[{"name": "a"}, {"name": "b", "weight": 2}]), save="one"),
    patch("null removes a field", f"{OBJECTS}/one", {"spec": {"plain": None}}),
    patch("null restores a default", f"{OBJECTS}/one", {"spec": {"filled": None}}),
    patch("null in an added object", f"{OBJECTS}/one", {"spec": {"inner": {"a": None, "b": "c"}}}),
    patch("JSON patch adds null", f"{OBJECTS}/one", [{"op": "add", "path": "/spec/plain", "value": None}], "json"),
    patch("JSON patch adds null to a nullable field", f"{OBJECTS}/one",
          [{"op": "add", "path": "/spec/nullable", "value": None}], "json"),
    patch("unknown field in a patch", f"{OBJECTS}/one", {"spec": {"other": 1}}),
    patch("unknown field in a patch, strictly", f"{OBJECTS}/one?fieldValidation=Strict", {"spec": {"other": 1}}),
    patch("wrong value in a patch", f"{OBJECTS}/one", {"spec": {"size": 99}}),
    patch("status through the object", f"{OBJECTS}/one", {"status": {"phase": "Ready"}}),
    patch("status through its subresource", f"{OBJECTS}/one/status", {"status": {"phase": "Ready"}}),
    patch("spec through the status", f"{OBJECTS}/one/status", {"spec": {"plain": "b"}}),
    patch("labels through the status", f"{OBJECTS}/one/status", {"metadata": {"labels": {"a": "b"}}}),
    patch("annotations through the status", f"{OBJECTS}/one/status", {"metadata": {"annotations": {"a": "b"}}}),
    patch("status of another type", f"{OBJECTS}/one/status", {"status": {"phase": 1}}),
    get("after that", f"{OBJECTS}/one", save="now"),
    put("replace", f"{OBJECTS}/one",
        {**_thing("one", plain="z"), "metadata": {"name": "one", "resourceVersion": "$now.metadata.resourceVersion"}}),
    put("replace with an old version", f"{OBJECTS}/one",
        {**_thing("one"), "metadata": {"name": "one", "resourceVersion": "$one.metadata.resourceVersion"}}),
    get("list", OBJECTS),
]  # fmt: skip

THEME = Theme(
    "values",
    "Values: null, defaults, pruning, validation",
    [*custom(definition(_SCHEMA, subresources={"status": {}})), *_CREATED, *_CHANGED],
)
