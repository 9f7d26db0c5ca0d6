"""Three of the four ways to patch; the fourth, server-side apply, is in :mod:`.apply`.

Each takes the object and the patch and returns a new object that shares with the old one what the patch leaves alone.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import jsonpatch
import orjson

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import NESTING_LIMIT, Object, copy_value, identity, is_too_deep

__all__ = ["JSON_PATCH", "JSON_TYPES", "MERGE_PATCH", "STRATEGIC_PATCH", "json_patch", "merge_patch", "strategic_patch"]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

_OPERATIONS_LIMIT = 10_000
_STEPS = 10
"""Of the budget, for one operation."""
_ITEMS_A_STEP = 1000
"""How many items of a list are moved in one step."""
_REJECTED = "the server rejected our request due to an error in our request"
_OPERATIONS = "[]handlers.jsonPatchOp"
_WRONG = (
    jsonpatch.JsonPatchConflict, jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPointerException,
    jsonpatch.InvalidJsonPatch, KeyError, TypeError, ValueError,
)  # fmt: skip
JSON_TYPES: dict[type, str] = {
    dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number", type(None): "null",
}  # fmt: skip
"""The words of Go's messages for the types of JSON."""
_COPIES_LIMIT = 3 << 20
"""Bytes of JSON that the copies of one patch may add, as in Kubernetes: 22 copies of copies make 4 million of one."""


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386. The patch becomes part of the result."""
    if type(patch) is not dict:
        return patch
    merged: Object = dict(value) if type(value) is dict else {}
    for key, item in patch.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), item) if type(item) is dict else item
    return merged


def json_patch(value: Object, patch: Any, budget: Budget) -> Any:
    """RFC 6902. Raises the 422 refusal where a test fails or a path is not there, 400 for an invalid patch;
    :class:`OutOfBudget`."""
    if patch is None:
        return copy_value(value)
    if isinstance(patch, list) and None in patch:
        raise StatusError(422, "Invalid", _REJECTED, {})
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        what = JSON_TYPES[type(patch)] if not isinstance(patch, list) else "value"
        raise bad_request(f"error decoding patch: json: cannot unmarshal {what} into Go value of type {_OPERATIONS}")
    if len(patch) > _OPERATIONS_LIMIT:
        message = f"The allowed maximum operations in a JSON patch is {_OPERATIONS_LIMIT}, got {len(patch)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")
    patched, copied = copy_value(value), 0
    try:
        for operation in patch:
            budget.spend(_STEPS + _moved(operation, patched) // _ITEMS_A_STEP)
            meant = _as_kubernetes_reads_it(operation, patched)
            if meant is None:
                continue
            if meant.get("op") == "copy":
                copied += len(orjson.dumps(jsonpatch.JsonPointer(meant["from"]).resolve(patched)))
                if copied > _COPIES_LIMIT:
                    raise _too_many_copies(copied)
            patched = jsonpatch.JsonPatch([meant]).apply(patched, in_place=True)
    except _WRONG as error:
        raise StatusError(422, "Invalid", _REJECTED, {}) from error
    if is_too_deep(patched):
        raise bad_request(f"exceeded max depth: the object would be nested more than {NESTING_LIMIT} times")
    return patched


def _as_kubernetes_reads_it(operation: Object, document: Any) -> Object | None:
    """An operation in RFC 6902's terms; None for one that changes nothing.

    Kubernetes' library counts items from the end with negative numbers, replaces members that are not there, takes a
    missing value for null, and lets a test for null hold where nothing is.
    """
    op, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str) or op not in ("add", "replace", "remove", "test"):
        return operation
    head, _, last = path.rpartition("/")
    parent = jsonpatch.JsonPointer(head).resolve(document, None)
    meant = operation if op == "remove" else {"value": None, **operation}
    if type(parent) is list and last[:1] == "-" and last[1:].isdecimal() and last[1:]:
        index = len(parent) + (op == "add") - int(last[1:])
        return {**meant, "path": f"{head}/{index if index >= 0 else len(parent) + 1}"}
    key = last.replace("~1", "/").replace("~0", "~")
    if type(parent) is dict and key not in parent and op in ("replace", "test"):
        if op == "test" and meant["value"] is None:
            return None
        return {**meant, "op": "add"} if op == "replace" else meant
    return meant


def _moved(operation: Object, document: Any) -> int:
    """How many items an operation may move to make or fill a gap: those of the lists that it reaches into."""
    moved = 0
    for member in ("path", "from"):
        if isinstance(text := operation.get(member), str):
            parent = jsonpatch.JsonPointer(text.rpartition("/")[0]).resolve(document, None)
            moved += len(parent) if type(parent) is list else 0
    return moved


def _too_many_copies(size: int) -> StatusError:
    message = f"Unable to complete the copy, the accumulated size increase of copy is {size}, "
    return StatusError(422, "Invalid", f"{message}exceeding the limit {_COPIES_LIMIT}", {})


def strategic_patch(value: Any, patch: Any, schema: Schema | None) -> Any:
    """Kubernetes' strategic merge patch: like a merge patch, but lists with merge keys are merged item by item."""
    if type(patch) is not dict:
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: item for key, item in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    _check_directives(patch)
    merged: Object = dict(value) if type(value) is dict else {}
    if (retained := patch.get("$retainKeys")) is not None:
        merged = {key: item for key, item in merged.items() if key in retained}
    for key, item in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            unwanted = set(map(identity, item))
            merged[name] = [one for one in merged.get(name) or () if identity(one) not in unwanted]
        elif key.startswith("$"):
            continue
        elif item is None:
            merged.pop(key, None)
        else:
            child = schema.child(key) if schema is not None else None
            merged[key] = _strategic_member(merged.get(key), item, child)
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            name = key.partition("/")[2]
            if type(merged.get(name)) is list:
                child = schema.child(name) if schema is not None else None
                merged[name] = _ordered(merged[name], order, child)
    return merged


def _strategic_member(value: Any, patch: Any, schema: Schema | None) -> Any:
    if type(patch) is dict:
        return strategic_patch(value, patch, schema)
    if type(patch) is not list or schema is None or schema.raw.get("x-kubernetes-patch-strategy") != "merge":
        return patch
    current = list(value) if type(value) is list else []
    key = schema.raw.get("x-kubernetes-patch-merge-key")
    if key is None:
        known = set(map(identity, current))
        return current + [item for item in patch if identity(item) not in known]
    if any(type(item) is dict and item.get("$patch") == "replace" for item in patch):
        if wrong := [item for item in patch if type(item) is not dict]:
            raise bad_request(f"map: {wrong[0]} is not a map, as an item of a list that has a merge key must be")
        return [item for item in patch if item.get("$patch") != "replace"]
    merged = {identity(one.get(key)): one for one in current}
    for item in patch:
        if type(item) is not dict or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        place = identity(item[key])
        if item.get("$patch") == "delete":
            merged.pop(place, None)
        else:
            merged[place] = strategic_patch(merged.get(place, {}), item, schema.items)
    patched = [place for item in patch if (place := identity(item[key])) in merged]
    return [merged[place] for place in _interleaved(list(dict.fromkeys(patched)), list(merged), current, key)]


def _interleaved(patched: list[Hashable], merged: list[Hashable], current: list[Any], key: str) -> list[Hashable]:
    """The keys of a merged list: those that were there keep their order, new ones come before what is not patched."""
    places = {identity(one.get(key)): place for place, one in enumerate(current)}
    others = [place for place in merged if place not in set(patched)]
    ordered: list[Hashable] = []
    for place in patched:
        while others and place in places and places[others[0]] < places[place]:
            ordered.append(others.pop(0))
        ordered.append(place)
    return ordered + others


def _ordered(items: list[Any], order: list[Any], schema: Schema | None) -> list[Any]:
    """``items`` in the order that the patch gives; those it does not name keep their place at the end."""
    key = schema.raw.get("x-kubernetes-patch-merge-key") if schema is not None else None

    def known_by(item: Any) -> Hashable:
        return identity(item.get(key) if type(item) is dict else item)

    places = {known_by(item): place for place, item in enumerate(order)}
    return sorted(items, key=lambda item: places.get(known_by(item), len(order)))


def _check_directives(patch: Object) -> None:
    if patch.get("$patch") not in (None, "merge"):
        raise bad_request(f"Unknown patch type: {patch['$patch']}")
    for key, value in patch.items():
        listing = key == "$retainKeys" or key.startswith(("$deleteFromPrimitiveList/", "$setElementOrder/"))
        if listing and type(value) is not list:
            raise bad_request(f"{key} in a strategic merge patch has to be a list")
