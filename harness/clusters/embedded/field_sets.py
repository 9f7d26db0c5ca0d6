"""Sets of fields: which manager owns what of an object (``metadata.managedFields``, the FieldsV1 form).

A path is a tuple of FieldsV1 elements: ``f:name`` for a member, ``k:{"name":"a"}`` for an item of a keyed list,
``v:"x"`` for one of a set. A set of paths holds leaves, and items of lists themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object

__all__ = ["Path", "Paths", "at", "dotted", "dump", "element", "fields_of", "index_of", "load", "removed"]

Path = tuple[str, ...]
Paths = frozenset[Path]

_UNOWNED = frozenset(
    ("apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.creationTimestamp", "metadata.selfLink")
) | frozenset(
    ("metadata.uid", "metadata.resourceVersion", "metadata.generation", "metadata.managedFields",
     "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds", "metadata.generateName")
)  # fmt: skip


def fields_of(value: Object, schema: Schema) -> Paths:
    """The fields that an object sets."""
    return frozenset(path for path in _walk(value, schema, ()) if not _unowned(path))


def _unowned(path: Path) -> bool:
    return ".".join(part[2:] for part in path[:2]) in _UNOWNED or path == ("f:metadata",) or path[0][2:] in _UNOWNED


def _walk(value: Any, schema: Schema | None, path: Path) -> Iterator[Path]:
    if type(value) is dict and value and not (schema is not None and schema.atomic):
        for name, item in value.items():
            yield from _walk(item, schema.child(name) if schema is not None else None, (*path, f"f:{name}"))
    elif type(value) is list and value and schema is not None and schema.list_type != "atomic":
        for item in value:
            part = element(item, schema)
            here = (*path, part)
            yield here
            if part[0] == "k" and not (schema.items is not None and schema.items.atomic):
                yield from _walk(item, schema.items, here)
    elif path:
        yield path


def element(item: Any, schema: Schema) -> str:
    """The element of a path that names an item of a list."""
    if schema.list_type == "map" and type(item) is dict:
        keys = {name: item.get(name, _default(schema, name)) for name in sorted(schema.map_keys)}
        return "k:" + orjson.dumps(keys).decode()
    return "v:" + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()


def _default(schema: Schema, name: str) -> Any:
    child = schema.items.child(name) if schema.items is not None else None
    return child.raw.get("default") if child is not None else None


def index_of(items: list[Any], part: str, schema: Schema | None) -> int | None:
    """Where a list has the item that a path's element names."""
    if schema is None:
        return None
    return next((index for index, item in enumerate(items) if element(item, schema) == part), None)


def at(value: Any, path: Path, schema: Schema | None) -> Any:
    """The value at a path; the ellipsis where there is none, and just True for an item whose members are owned."""
    whole = True
    for part in path:
        if part.startswith("f:"):
            if type(value) is not dict or part[2:] not in value:
                return ...
            value = value[part[2:]]
            schema = schema.child(part[2:]) if schema is not None else None
            whole = True
        else:
            index = index_of(value, part, schema) if type(value) is list else None
            if index is None:
                return ...
            value = value[index]
            schema = schema.items if schema is not None else None
            whole = part[0] == "v" or (schema is not None and schema.atomic)
    return value if whole else True


def removed(value: Any, path: Path, schema: Schema | None) -> Any:
    """``value`` without what is at a path. Shares the rest."""
    part, rest = path[0], path[1:]
    if part.startswith("f:"):
        name = part[2:]
        if type(value) is not dict or name not in value:
            return value
        if not rest:
            return {key: item for key, item in value.items() if key != name}
        inner = removed(value[name], rest, schema.child(name) if schema is not None else None)
        return value if inner is value[name] else {**value, name: inner}
    index = index_of(value, part, schema) if type(value) is list else None
    if index is None:
        return value
    if not rest:
        return [*value[:index], *value[index + 1 :]]
    inner = removed(value[index], rest, schema.items if schema is not None else None)
    return value if inner is value[index] else [*value[:index], inner, *value[index + 1 :]]


def dump(paths: Paths) -> Object:
    """A set in its FieldsV1 form."""
    root: Object = {}
    items = []
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(part, {})
        if path[-1][0] in "kv":
            items.append(node)
    for node in items:
        if node:
            node["."] = {}
    return root


def load(fields: Any) -> Paths:
    """A set from its FieldsV1 form; what is not of that form counts as nothing."""
    return frozenset(_load(fields, ()))


def _load(node: Any, path: Path) -> Iterator[Path]:
    if not isinstance(node, dict) or not node:
        if path:
            yield path
        return
    for part, child in node.items():
        if part == ".":
            yield path
        elif part[:2] in ("f:", "k:", "v:"):
            yield from _load(child, (*path, part))


def dotted(path: Path) -> str:
    """A path as conflicts print it: ``.spec.ports[port=80].name``."""
    text = ""
    for part in path:
        if part.startswith("f:"):
            text += f".{part[2:]}"
        elif part.startswith("k:"):
            keys = orjson.loads(part[2:])
            text += "[" + ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in keys.items()) + "]"
        else:
            text += f"[={part[2:]}]"
    return text
