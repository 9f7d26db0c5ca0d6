"""Why a body cannot be decoded into a built-in kind, in the words of Go's ``encoding/json``.

Only needed once a schema has found a value of a wrong type: then the first such value is looked for again, in the
order of the body, which is the one that the API server names.
"""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.formats import FORMATS
from harness.clusters.embedded.kinds.notation import GO_TYPE
from harness.clusters.embedded.values import Object

__all__ = ["decoding_problem"]

_JSON = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_PLAIN = {"string": "string", "integer": "int64", "boolean": "bool", "number": "float64"}
_STRUCTS = {"metadata": "ObjectMeta", "ownerReferences": "OwnerReference", "managedFields": "ManagedFieldsEntry"}
"""The Go structs of metadata, whose schema is shared with custom resources."""
_FITTING: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_LAYOUTS = {
    "date-time": ("2006-01-02T15:04:05Z07:00", "2006"),
    "micro-time": ("2006-01-02T15:04:05.000000Z07:00", ".000000"),
}


def decoding_problem(kind: str, schema: Object, value: Object) -> str | None:
    """Return Go's message about the first value that does not fit; None if all do."""
    return _problem(schema, value, kind, "", kind)


def _problem(schema: Object, value: Any, struct: str, path: str, field: str) -> str | None:
    if value is None:
        return None
    wanted = schema.get("type", "")
    if wanted and (type(value) not in _FITTING[wanted] or not _in_range(schema, value)):
        literal = f" {value}" if type(value) in (int, float) and wanted == "integer" else ""
        what = f"json: cannot unmarshal {_JSON[type(value)]}{literal} into Go "
        return f"{what}struct field {struct}.{path} of type {_go(schema, field)}"
    if type(value) is str and not _fits(schema, value):
        return _misfit(schema["format"], value)
    if type(value) is dict:
        return _in_members(schema, value, struct, path, field)
    if type(value) is list and (items := schema.get("items")):
        found = (_problem(items, item, struct, path, field) for item in value)
        return next(filter(None, found), None)
    return None


def _in_members(schema: Object, value: Object, struct: str, path: str, field: str) -> str | None:
    properties = schema.get("properties")
    if properties is None:
        inside = schema.get("additionalProperties")
        found = (_problem(inside, item, struct, path, field) for item in value.values() if inside)
        return next(filter(None, found), None)
    here = schema.get(GO_TYPE) or _STRUCTS.get(field, field)
    for name, item in value.items():
        if (child := properties.get(name)) is not None:
            problem = _problem(child, item, here, f"{path}.{name}" if path else name, name)
            if problem:
                return problem
    return None


def _in_range(schema: Object, value: Any) -> bool:
    return type(value) is not int or schema.get("format") not in ("int32", "int64") or _fits(schema, value)


def _fits(schema: Object, value: Any) -> bool:
    fits = FORMATS.get(schema.get("format", ""))
    return fits is None or fits(value)


def _misfit(form: str, value: str) -> str:
    if form == "byte":
        good = next((at for at, char in enumerate(value) if not (char.isalnum() or char in "+/=")), len(value))
        return f"illegal base64 data at input byte {good}"
    layout, part = _LAYOUTS.get(form, (form, form))
    rest = value[19:] if form == "micro-time" and FORMATS["date-time"](value) else value
    part = part if form == "date-time" or rest != value else "2006"
    return f'parsing time "{value}" as "{layout}": cannot parse "{rest}" as "{part}"'


def _go(schema: Object, field: str) -> str:
    name = schema.get(GO_TYPE)
    if name is None and schema.get("type") == "object" and "additionalProperties" in schema:
        return "map[string]string"
    if name is None and schema.get("type") == "array":
        return f"[]v1.{_STRUCTS[field]}" if field in _STRUCTS else "[]string"
    if name is None:
        return _PLAIN.get(schema.get("type", ""), f"v1.{_STRUCTS.get(field, field)}")
    return f"v1.{name}" if "properties" in schema else str(name)
