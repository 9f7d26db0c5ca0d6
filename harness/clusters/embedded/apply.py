"""Server-side apply: managers own fields; changing a field that another manager owns is a conflict.

The steps are those of ``structured-merge-diff``, the library that the API server uses.
"""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import field_sets, last_applied
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.field_changes import changes
from harness.clusters.embedded.field_sets import Fields, Path, Paths, with_parents
from harness.clusters.embedded.ownership import Manager, contains, entry_of, ordered, record, released, with_entries
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object

__all__ = ["APPLY_PATCH", "apply_patch"]

APPLY_PATCH = "application/apply-patch+yaml"
_BEFORE = "before-first-apply"
"""The manager of an object's fields that were written before owners were recorded."""


def apply_patch(
    live: Object | None,
    config: Object,
    schema: Schema,
    manager: Manager,
    budget: Budget,
    *,
    force: bool,
    now: str,
    blank: Object,
) -> Object:
    """The object that follows when ``manager`` applies ``config``: merged, what it no longer says removed.

    ``blank`` is what an object of the type has before anybody sets a field. Raises the 409 refusal naming every field
    that another manager owns and that would change, unless ``force``; :class:`OutOfBudget`.
    """
    current = live or {}
    entries: list[Object] = (current.get("metadata") or {}).get("managedFields") or []
    if live is not None and not entries:
        before = Manager(_BEFORE, "Update", live.get("apiVersion", ""))
        entries = record([], changes(blank, live, schema, budget), before, now)
    wanted = Fields(config, schema, budget).paths
    mine = entry_of(entries, manager)
    others = [entry for entry in entries if entry is not mine]
    merged: Object = _merge(current, config, schema)
    if mine is not None and (last := field_sets.load(mine["fieldsV1"])):
        kept = [field_sets.load(entry["fieldsV1"]) for entry in others if entry["operation"] == "Apply"]
        merged = _pruned(merged, last, wanted.union(*kept), schema, budget)
    change = changes(current, merged, schema, budget)
    paths = sorted(change.set, key=field_sets.order)
    conflicts = [(entry, path) for entry in others for path in paths if contains(entry["fieldsV1"], path)]
    if conflicts and not force and live is not None:
        refused = last_applied.disputed(conflicts, live, manager, schema, budget)
        if refused:
            raise _conflict(refused)
    left = [kept_entry for one in others if (kept_entry := released(one, (*change.set, *change.removed))) is not None]
    if wanted:
        fields = field_sets.dump(wanted)
        known = (mine or {}).get("time", "")
        left.append(manager.entry(fields, now if change else known))
    return with_entries(last_applied.renewed(merged, config, live, manager), ordered(left))


def _pruned(merged: Object, last: Paths, kept: Paths, schema: Schema, budget: Budget) -> Object:
    """``merged`` without what the manager applied last and no applier says now; with its parents, where they empty."""
    given_up, claimed = with_parents(last, schema), with_parents(kept, schema)
    everything = with_parents(Fields(merged, schema, budget).paths, schema)

    def present(value: Object) -> Paths:
        return with_parents(Fields(value, schema, budget).paths, schema)

    without = field_sets.without(merged, given_up, schema)
    with_claimed: Object = field_sets.without(merged, everything - present(without) - claimed, schema)
    pruned: Object = field_sets.without(merged, (everything - present(with_claimed)) & given_up, schema)
    return pruned


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


def _described(entry: Object) -> str:
    text = f'"{entry["manager"]}"'
    if entry.get("subresource"):
        text += f' with subresource "{entry["subresource"]}"'
    return f"{text} using {entry['apiVersion']}" if entry["operation"] == "Update" else text


def _conflict(conflicts: list[tuple[Object, Path]]) -> StatusError:
    described = [(_described(entry), field_sets.dotted(path)) for entry, path in conflicts]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
        for manager, field in described
    ]
    if len(described) == 1:
        message = f"Apply failed with 1 conflict: conflict with {described[0][0]}: {described[0][1]}"
    else:
        fields: dict[str, list[str]] = {}
        for manager, field in described:
            fields.setdefault(manager, []).append(field)
        lines = []
        for manager in sorted(fields):
            lines += [f"conflicts with {manager}:", *(f"- {field}" for field in fields[manager])]
        message = f"Apply failed with {len(described)} conflicts: " + "\n".join(lines)
    return StatusError(409, "Conflict", message, {"causes": causes})
