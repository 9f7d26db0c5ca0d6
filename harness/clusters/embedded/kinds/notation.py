"""The notation of the ``.fields`` files: one Go struct after another, each with a line for every field.

    ContainerPort
      containerPort! int32 port #3
      protocol string ="TCP" in TCP|UDP|SCTP #4

A line is the field's JSON name, ``!`` if it is required (in a status: always shown), and its type: a struct of this
file or of ``core.fields``, ``[T]`` for a list, ``{T}`` for a map. After the type:

* ``{}``: a struct that is always there; ``null``, ``zero`` and ``empty``: shown so where it is absent
* ``=JSON``: a default
* ``by KEYS``: a list whose items are distinguished by the members KEYS, joined by ``+``; ``set``: without duplicates
* ``merge`` and ``merge KEY``: how a strategic merge patch changes a list
* ``atomic``, also after a struct's name: owned as a whole
* ``>=N``, ``>N``, ``<=N``, ``M..N``, ``positive``, ``port``, ``in A|B``, ``is WORD``, ``full``: what the server demands
  of the value, ``is WORD`` also after a struct's name; :mod:`~harness.clusters.embedded.demands` has the words. A
  required text is ``full``
* ``#N``: the field's number in protobuf; ``#N.M`` if its struct in Go is embedded there as field N; ``?`` after it if a
  zero differs from nothing, as behind a pointer

Some files describe what is only read and written in protobuf: ``meta``, and those of reviews, events and definitions.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from harness.clusters.embedded.builders import OBJECT_META
from harness.clusters.embedded.checks import DEMANDS
from harness.clusters.embedded.values import Object

__all__ = ["GO_TYPE", "SHARED", "blank_of", "fields_of", "file_of", "structs_of"]

GO_TYPE = "x-go-type"
"""The keyword that holds the name of a field's type in Go, which messages about undecodable bodies name."""

SHOWN = "x-go-shown"
"""The keyword of a field whose default is Go's zero, and which counts as unset if it has that value."""

SHARED = "core"
"""The file whose structs all others may use."""
_OTHER_VERSIONS = {"autoscaling/v1": "autoscaling_v1"}
"""The files of versions that differ from their group's."""
_SCALARS: dict[str, Object] = {
    "string": {"type": "string", GO_TYPE: "string"},
    "int32": {"type": "integer", "format": "int32", GO_TYPE: "int32"},
    "int64": {"type": "integer", "format": "int64", GO_TYPE: "int64"},
    "double": {"type": "number", GO_TYPE: "float64"},
    "bool": {"type": "boolean", GO_TYPE: "bool"},
    "bytes": {"type": "string", "format": "byte", GO_TYPE: "[]uint8"},
    "time": {"type": "string", "format": "date-time", "nullable": True, GO_TYPE: "v1.Time"},
    "microtime": {"type": "string", "format": "micro-time", "nullable": True, GO_TYPE: "v1.MicroTime"},
    "quantity": {"x-kubernetes-int-or-string": True, GO_TYPE: "resource.Quantity"},
    "intstr": {"x-kubernetes-int-or-string": True, GO_TYPE: "intstr.IntOrString"},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, GO_TYPE: "runtime.RawExtension"},
}
_ZEROS = {"string": "", "integer": 0, "boolean": False, "number": 0, "array": None, "object": {}}
_SHOWN = ("Status", "SystemInfo", "State", "DaemonEndpoint", "Condition")
"""Endings of the structs whose required fields are shown as zero where they are absent, and not demanded."""
_FLAGS: dict[str, Object] = {
    "{}": {"default": {}, SHOWN: True},
    "null": {"default": None, "nullable": True, SHOWN: True},
    "zero": {"default": 0, SHOWN: True},
    "empty": {"default": "", SHOWN: True},
    "set": {"x-kubernetes-list-type": "set"},
    "atomic": {"x-kubernetes-map-type": "atomic"},
}


def file_of(api_version: str) -> str:
    """The name of the file that has the kinds of a version of a built-in group."""
    group, _, _ = api_version.rpartition("/")
    return _OTHER_VERSIONS.get(api_version) or group.partition(".")[0] or SHARED


@cache
def fields_of(group: str, struct: str) -> Object:
    """The schema of a struct of the file ``group``. It is shared: do not alter it."""
    if struct == "ObjectMeta":
        return OBJECT_META
    structs = structs_of(group)
    if struct not in structs:
        return fields_of(SHARED, struct)
    about, lines = structs[struct]
    schema: Object = {"type": "object", **_described(struct), "properties": {}, GO_TYPE: struct}
    if about == "atomic":
        schema["x-kubernetes-map-type"] = "atomic"
    elif about:
        schema[DEMANDS] = [about]
    required = []
    for line in lines:
        name, text = line.split(" ", 1)
        member = _field(group, text)
        if name.endswith("!") and "default" not in member:
            name = name[:-1]
            if struct.endswith(_SHOWN):
                zero = _ZEROS[member.get("type", "string")]
                member = {**member, "default": zero, "nullable": zero is None, SHOWN: True}
            else:
                required.append(name)
                if member.get("type") == "string":
                    member = {**member, DEMANDS: ["full", *member.get(DEMANDS, ())]}
        elif "full" in member.get(DEMANDS, ()):
            required.append(name)
        name = name.rstrip("!")
        schema["properties"][name] = {**_described(f".{name}"), **member}
    if required:
        schema["required"] = required
    return schema


@cache
def _descriptions() -> dict[str, str]:
    """Sentences for ``kubectl explain``, by the names of structs and, with a dot before them, of fields."""
    lines = (Path(__file__).parent / "descriptions.txt").read_text("utf-8").splitlines()
    return {name: text for name, _, text in (line.partition(" ") for line in lines)}


def _described(name: str) -> Object:
    """The keyword for what is known of a struct or a field; a struct's own sentence goes before that of its field."""
    text = _descriptions().get(name)
    return {"description": text} if text else {}


@cache
def blank_of(group: str, struct: str) -> Object:
    """The members of a struct that are shown although they are unset. It is shared: do not alter it."""
    return _blank(fields_of(group, struct))


def _blank(schema: Object) -> Object:
    blank: Object = {}
    for name, member in schema["properties"].items():
        if member.get(SHOWN):
            blank[name] = _blank(member) if "properties" in member else member["default"]
        elif name in schema.get("required", ()):
            blank[name] = _ZEROS[member.get("type", "string")]
    return blank


@cache
def structs_of(group: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every struct of a file: the words after its name, and its fields as lines."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for block in (Path(__file__).parent / f"{group}.fields").read_text("utf-8").split("\n\n"):
        head, *lines = [line.strip() for line in block.strip().splitlines()]
        name, _, about = head.partition(" ")
        found[name] = (about, tuple(lines))
    return found


def _field(group: str, text: str) -> Object:
    kind, *words = text.split(" ")
    schema = dict(_type(group, kind))
    demands: list[str] = []
    while words:
        word = words.pop(0)
        if word in _FLAGS:
            schema.update(_FLAGS[word])
        elif word.startswith("="):
            schema["default"] = orjson.loads(word[1:])
        elif word == "by":
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": words.pop(0).split("+")}
        elif word == "merge":
            schema["x-kubernetes-patch-strategy"] = "merge"
            if words and words[0].isidentifier() and words[0] not in ("by", "in", *_FLAGS):
                schema["x-kubernetes-patch-merge-key"] = words.pop(0)
        elif not word.startswith("#"):
            demands.append(f"{word} {words.pop(0)}" if word in ("in", "is") else word)
    if demands:
        schema[DEMANDS] = demands
    return schema


@cache
def _type(group: str, kind: str) -> Object:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind[0] not in "[{":
        return fields_of(group, kind)
    inside = _type(group, kind[1:-1])
    if kind[0] == "[":
        return {"type": "array", "items": inside, "x-kubernetes-list-type": "atomic", GO_TYPE: f"[]{_go(inside)}"}
    return {"type": "object", "additionalProperties": inside, GO_TYPE: f"map[string]{_go(inside)}"}


def _go(schema: Object) -> str:
    name: Any = schema.get(GO_TYPE)
    return f"v1.{name}" if "properties" in schema else str(name)
