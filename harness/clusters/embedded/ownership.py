"""``metadata.managedFields``: which manager owns which fields, from an object's first write on.

A stored entry is never altered. An update whose manager owns the changed fields already, as a status that is patched
again and again, makes a new time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded import field_sets
from harness.clusters.embedded.field_changes import Changes
from harness.clusters.embedded.field_sets import Path, Paths
from harness.clusters.embedded.values import Object, copy_value

__all__ = ["ANCIENT", "Manager", "are_valid", "contains", "entry_of", "ordered", "record", "released", "with_entries"]

ANCIENT = "ancient-changes"
_UPDATERS_LIMIT = 10
"""Managers that update an object; beyond that the oldest are taken together, as the API server does."""


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of ``metadata.managedFields``, without its fields."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def owns(self, entry: Object) -> bool:
        """Whether an entry is this manager's. What it applied has no version: it always applies all its fields."""
        return (
            entry.get("manager", "") == self.name
            and entry.get("operation", "Update") == self.operation
            and entry.get("subresource", "") == self.subresource
            and (self.operation == "Apply" or entry.get("apiVersion", "") == self.api_version)
        )

    def entry(self, fields: Object, now: str) -> Object:
        """Its entry with these fields."""
        made: Object = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if now:
            made["time"] = now
        if self.subresource:
            made["subresource"] = self.subresource
        return made


def are_valid(entries: Any) -> bool:
    """Whether a client's entries can be taken; otherwise an object keeps those that it has."""
    return isinstance(entries, list) and all(
        isinstance(entry, dict)
        and entry.get("operation") in ("Apply", "Update")
        and entry.get("fieldsType") == "FieldsV1"
        and isinstance(entry.get("manager", ""), str)
        and isinstance(entry.get("apiVersion"), str)
        and isinstance(entry.get("subresource", ""), str)
        and isinstance(entry.get("time") or "", str)
        and bool(field_sets.load(entry.get("fieldsV1")))
        for entry in entries
    )


def entry_of(entries: Iterable[Object], manager: Manager) -> Object | None:
    """The manager's entry."""
    return next((entry for entry in entries if manager.owns(entry)), None)


def record(entries: Sequence[Object], change: Changes, manager: Manager, now: str) -> list[Object]:
    """The entries after an update by ``manager``: it owns the fields that it set; removed fields have no owner."""
    mine = entry_of(entries, manager)
    changed = (*change.set, *change.removed)
    others = [entry for entry in entries if entry is not mine and not manager.owns(entry)]
    left = [kept for entry in others if (kept := released(entry, changed)) is not None]
    fields = _with(_without(mine["fieldsV1"], change.removed) if mine is not None else {}, change.set)
    if fields:
        left.append(manager.entry(fields, now))
    return ordered(_capped(left))


def released(entry: Object, paths: Iterable[Path]) -> Object | None:
    """An entry without these paths; None if nothing remains, and the entry itself if it has none of them."""
    fields = entry.get("fieldsV1") or {}
    left = _without(fields, paths)
    if not left:
        return None
    return entry if left is fields else {**entry, "fieldsV1": left}


def contains(fields: Object, path: Path) -> bool:
    """Whether a set in its FieldsV1 form has a path."""
    node: Any = fields
    for part in path:
        node = node.get(part)
        if node is None:
            return False
    return not node or "." in node


def _with(fields: Object, paths: Sequence[Path]) -> Object:
    missing = [path for path in paths if not contains(fields, path)]
    if not missing:
        return fields
    copied: Object = copy_value(fields)
    for path in missing:
        node = copied
        for part in path[:-1]:
            child = node.get(part)
            if child is None:
                child = node[part] = {}
            elif not child:
                child["."] = {}
            node = child
        last = node.setdefault(path[-1], {})
        if last:
            last["."] = {}
    return copied


def _without(fields: Object, paths: Iterable[Path]) -> Object:
    present = [path for path in paths if contains(fields, path)]
    if not present:
        return fields
    copied: Object = copy_value(fields)
    for path in present:
        _take_out(copied, path)
    return copied


def _take_out(root: Object, path: Path) -> None:
    """Remove a path, in place, and what only led to it."""
    nodes = [root]
    for part in path:
        nodes.append(nodes[-1][part])
    if nodes[-1]:
        del nodes[-1]["."]
        return
    for node, part in zip(reversed(nodes[:-1]), reversed(path), strict=True):
        del node[part]
        if node:
            if len(node) == 1 and "." in node:
                del node["."]
            return


def _capped(entries: list[Object]) -> list[Object]:
    """The entries with the oldest updates taken together, one for each version, where there are too many."""
    if len(entries) <= _UPDATERS_LIMIT:
        return entries
    updates = sorted((one for one in entries if one["operation"] == "Update"), key=_age)
    surplus = updates[: max(0, len(updates) - _UPDATERS_LIMIT)]
    if not surplus:
        return entries
    sets: dict[str, Paths] = {}
    for entry in surplus:
        version = entry["apiVersion"]
        sets[version] = sets.get(version, frozenset()) | field_sets.load(entry["fieldsV1"])
    kept = [entry for entry in entries if not any(entry is one for one in surplus)]
    for version, paths in sets.items():
        kept.append(Manager(ANCIENT, "Update", version).entry(field_sets.dump(paths), surplus[-1].get("time", "")))
    return kept


def _age(entry: Object) -> str:
    return entry.get("time") or ""


def ordered(entries: Iterable[Object]) -> list[Object]:
    """The order of the API server: what was applied first, then by age."""
    return sorted(
        entries,
        key=lambda one: (
            one["operation"], _age(one), one.get("manager", ""), one["apiVersion"], one.get("subresource", ""),
        ),
    )  # fmt: skip


def with_entries(stored: Object, entries: Sequence[Object]) -> Object:
    """The object with these entries. Shares the rest."""
    return {**stored, "metadata": {**stored["metadata"], "managedFields": list(entries)}}
