"""Sets of fields: which manager owns what of an object (``metadata.managedFields``, the FieldsV1 form).

A path is a tuple of FieldsV1 elements: ``f:name`` for a member, ``k:{"name":"a"}`` for an item of a keyed list,
``v:"x"`` for one of a set. A set of paths holds leaves, and items of lists themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import orjson

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object

__all__ = [
    "STEPS",
    "UNOWNED_METADATA",
    "Fields",
    "Path",
    "Paths",
    "dotted",
    "dump",
    "element",
    "load",
    "order",
    "with_parents",
    "without",
]

Path = tuple[str, ...]
Paths = frozenset[Path]

STEPS = 8
"""Of the budget, for one field; a request goes through the fields of an object up to three times."""
_Branch = dict[str, Any]
_END = ""
"""Ends a path in the tree of those that are to be removed."""

_METADATA = ("f:metadata",)
UNOWNED_METADATA = frozenset(
    ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
     "resourceVersion")
)  # fmt: skip
"""Members of ``metadata`` that no manager owns."""


class Fields:
    """The fields that an object sets, and their values; items of lists are looked up, not searched for."""

    def __init__(self, value: Any, schema: Schema, budget: Budget) -> None:
        """Raises :class:`OutOfBudget`."""
        self._root, self._schema = value, schema
        self._values: dict[Path, Any] = {}
        for path, item in _walk(value, schema, ()):
            budget.spend(STEPS)
            if not _unowned(path):
                self._values[path] = item
        self._indexes: dict[int, dict[str, Any]] = {}

    @property
    def paths(self) -> Paths:
        return frozenset(self._values)

    def __getitem__(self, path: Path) -> Any:
        """The value at a path; the ellipsis where there is none, and just True for an item whose members are owned."""
        return self._values[path] if path in self._values else self._look_up(path)

    def _look_up(self, path: Path) -> Any:
        value, schema, whole = self._root, cast("Schema | None", self._schema), True
        for part in path:
            if part.startswith("f:"):
                if type(value) is not dict or part[2:] not in value:
                    return ...
                value = value[part[2:]]
                schema = schema.child(part[2:]) if schema is not None else None
                whole = True
            else:
                items = self._index(value, schema) if type(value) is list and schema is not None else {}
                if part not in items:
                    return ...
                value = items[part]
                schema = schema.items if schema is not None else None
                whole = part[0] == "v" or (schema is not None and schema.atomic)
        return value if whole else True

    def _index(self, items: list[Any], schema: Schema) -> dict[str, Any]:
        if id(items) not in self._indexes:
            self._indexes[id(items)] = {element(item, schema): item for item in reversed(items)}
        return self._indexes[id(items)]


def _unowned(path: Path) -> bool:
    if path[0] == "f:metadata":
        return len(path) == 1 or path[1][2:] in UNOWNED_METADATA
    return path in (("f:apiVersion",), ("f:kind",))


def _walk(value: Any, schema: Schema | None, path: Path) -> Iterator[tuple[Path, Any]]:
    if type(value) is dict and value and not (schema is not None and schema.atomic):
        for name, item in value.items():
            here, child = (*path, f"f:{name}"), schema.child(name) if schema is not None else None
            if (schema is None or name not in schema.properties) and _has_members(item, child):
                yield here, True
            yield from _walk(item, child, here)
    elif type(value) is list and value and schema is not None and schema.list_type != "atomic":
        for item in value:
            part = element(item, schema)
            here = (*path, part)
            if part[0] == "k" and not (schema.items is not None and schema.items.atomic):
                yield here, True
                yield from _walk(item, schema.items, here)
            else:
                yield here, item
    elif path:
        yield path, value


def _has_members(value: Any, schema: Schema | None) -> bool:
    if type(value) is dict:
        return bool(value) and not (schema is not None and schema.atomic)
    return type(value) is list and bool(value) and schema is not None and schema.list_type != "atomic"


def element(item: Any, schema: Schema) -> str:
    """The element of a path that names an item of a list."""
    if schema.list_type == "map" and type(item) is dict:
        keys = {name: item.get(name, _default(schema, name)) for name in sorted(schema.map_keys)}
        return "k:" + orjson.dumps(keys).decode()
    return "v:" + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()


def _default(schema: Schema, name: str) -> Any:
    child = schema.items.child(name) if schema.items is not None else None
    return child.raw.get("default") if child is not None else None


def without(value: Any, paths: Iterable[Path], schema: Schema | None) -> Any:
    """``value`` without what is at these paths. Shares the rest. What they empty is null, as the API server has it."""
    removed: _Branch = {}
    for path in paths:
        branch = removed
        for part in path:
            branch = branch.setdefault(part, {})
        branch[_END] = {}
    return _without(value, removed, schema)


def _without(value: Any, removed: _Branch, schema: Schema | None) -> Any:
    if type(value) is dict:
        left = {}
        for name, item in value.items():
            branch = removed.get(f"f:{name}")
            if branch is None:
                left[name] = item
            elif _END not in branch:
                left[name] = _without(item, branch, schema.child(name) if schema is not None else None)
        return left or (None if value else left)
    if type(value) is list and schema is not None:
        branches = ((item, removed.get(element(item, schema))) for item in value)
        items = [
            item if branch is None else _without(item, branch, schema.items)
            for item, branch in branches
            if branch is None or _END not in branch
        ]
        return items or (None if value else items)
    return value


def dump(paths: Paths) -> Object:
    """A set in its FieldsV1 form."""
    root: Object = {}
    ends = []
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(part, {})
        ends.append(node)
    for node in ends:
        if node:
            node["."] = {}
    return root


def with_parents(paths: Paths, schema: Schema) -> Paths:
    """The set, and every named field of the schema on the way to one of its members; items of maps are not."""
    found = set(paths)
    for path in paths:
        node: Schema | None = schema
        for depth, part in enumerate(path[:-1], 1):
            named = False
            if node is not None and part.startswith("f:"):
                named = part[2:] in node.properties
                node = node.child(part[2:])
            elif node is not None:
                node = node.items
            if named and path[:depth] != _METADATA:
                found.add(path[:depth])
    return frozenset(found)


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


def order(path: Path) -> list[tuple[bool, str]]:
    """A key to sort paths by: what an object has itself comes before what its members have."""
    return [(depth < len(path), part) for depth, part in enumerate(path, 1)]


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
