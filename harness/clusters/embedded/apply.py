"""Server-side apply: managers own fields; who sets another's field to another value is told of the conflict.

Ownership is recorded from the first apply of an object on (before that, all its fields count as those of a manager
``before-first-apply``), so that objects nobody applies cost nothing to update.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.clusters.embedded import field_sets
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.field_sets import Fields, Path, Paths
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object, same

__all__ = ["APPLY_PATCH", "Manager", "apply_patch", "track_update"]

APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of ``metadata.managedFields``, its fields apart."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True, slots=True)
class _Owned:
    paths: Paths
    time: str


Ownership = dict[Manager, _Owned]


def apply_patch(
    live: Object | None, config: Object, schema: Schema, manager: Manager, budget: Budget, *, force: bool, now: str
) -> Object:
    """The object that follows when ``manager`` applies ``config``: merged, what it no longer says removed.

    Raises the 409 refusal naming every field that another manager owns and that would change, unless ``force``;
    :class:`OutOfBudget`.
    """
    current = live or {}
    ownership = _load(current, schema, budget, before_first_apply=live is not None)
    wanted = Fields(config, schema, budget).paths
    merged: Object = _merge(current, config, schema)
    given_up = ownership[manager].paths - wanted if manager in ownership else frozenset()
    others = {one: owned for one, owned in ownership.items() if one != manager}
    if orphaned := given_up.difference(*(owned.paths for owned in others.values())):
        merged = field_sets.without(merged, orphaned, schema)
    conflicts = _conflicts(others, wanted, Fields(current, schema, budget), Fields(merged, schema, budget))
    if conflicts and not force:
        raise _conflict(conflicts)
    for one, paths in _grouped(conflicts).items():
        others[one] = replace(others[one], paths=others[one].paths - paths)
    before = ownership.get(manager)
    others[manager] = before if before is not None and before.paths == wanted else _Owned(wanted, now)
    return _with_ownership(merged, others)


def _conflicts(others: Ownership, wanted: Paths, current: Fields, merged: Fields) -> list[tuple[Manager, Path]]:
    return [
        (one, path)
        for one, owned in others.items()
        for path in sorted(owned.paths & wanted)
        if not _equal(current[path], merged[path])
    ]


def _grouped(conflicts: list[tuple[Manager, Path]]) -> dict[Manager, set[Path]]:
    grouped: dict[Manager, set[Path]] = {}
    for manager, path in conflicts:
        grouped.setdefault(manager, set()).add(path)
    return grouped


def track_update(old: Object, new: Object, schema: Schema, manager: Manager, budget: Budget, *, now: str) -> Object:
    """``new`` with the fields that changed since ``old`` given to ``manager``. Raises :class:`OutOfBudget`."""
    ownership = _load(old, schema, budget, before_first_apply=True)
    before, after = Fields(old, schema, budget), Fields(new, schema, budget)
    gone = before.paths - after.paths
    changed = frozenset(path for path in after.paths if not _equal(before[path], after[path]))
    for one, owned in ownership.items():
        if one != manager:
            ownership[one] = replace(owned, paths=owned.paths - changed - gone)
    mine = ownership.get(manager, _Owned(frozenset(), now))
    paths = (mine.paths | changed) - gone
    if paths != mine.paths:
        ownership[manager] = _Owned(paths, now)
    return _with_ownership(new, ownership)


def _equal(one: Any, other: Any) -> bool:
    return (one is ... and other is ...) or (one is not ... and other is not ... and same(one, other))


def _merge(live: Any, config: Any, schema: Schema | None) -> Any:
    if type(config) is dict and type(live) is dict and not (schema is not None and schema.atomic):
        merged = dict(live)
        for name, item in config.items():
            merged[name] = _merge(live.get(name), item, schema.child(name) if schema is not None else None)
        return merged
    if type(config) is list and type(live) is list and schema is not None and schema.list_type != "atomic":
        items = {field_sets.element(item, schema): item for item in live}
        for item in config:
            part = field_sets.element(item, schema)
            items[part] = _merge(items[part], item, schema.items) if part in items else item
        return list(items.values())
    return config


def _load(stored: Object, schema: Schema, budget: Budget, *, before_first_apply: bool) -> Ownership:
    entries = (stored.get("metadata") or {}).get("managedFields") or []
    if not entries and before_first_apply:
        owner = Manager("before-first-apply", "Update", stored.get("apiVersion", ""))
        return {owner: _Owned(Fields(stored, schema, budget).paths, "")}
    ownership: Ownership = {}
    for entry in entries:
        manager = Manager(
            entry.get("manager", ""),
            entry.get("operation", "Update"),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        ownership[manager] = _Owned(field_sets.load(entry.get("fieldsV1")), entry.get("time") or "")
    return ownership


def _with_ownership(stored: Object, ownership: Ownership) -> Object:
    entries = []
    for manager, owned in ownership.items():
        if not owned.paths:
            continue
        entry: Object = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": field_sets.dump(owned.paths),
        }
        if owned.time:
            entry["time"] = owned.time
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    return {**stored, "metadata": {**stored["metadata"], "managedFields": entries}}


def _conflict(conflicts: list[tuple[Manager, Path]]) -> StatusError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {one}", "field": field_sets.dotted(path)}
        for one, path in conflicts
    ]
    if len(conflicts) == 1:
        message = f"Apply failed with 1 conflict: conflict with {conflicts[0][0]}: {field_sets.dotted(conflicts[0][1])}"
    else:
        lines = []
        for manager, paths in sorted(_grouped(conflicts).items(), key=lambda found: str(found[0])):
            lines.append(f"conflicts with {manager}:")
            lines.extend(f"- {field_sets.dotted(path)}" for path in sorted(paths))
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return StatusError(409, "Conflict", message, {"causes": causes})
