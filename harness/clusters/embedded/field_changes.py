"""The fields that differ between two states of an object, as server-side apply counts them.

The stored parts that an update left alone are the same Python objects (see :mod:`.values`), so this costs what has
changed and not what the object carries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.field_sets import STEPS, UNOWNED_METADATA, Path, element
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object, same

__all__ = ["Changes", "changes"]

_MISSING: Any = object()


@dataclass(slots=True)
class Changes:
    """Paths of leaves, and of objects and lists that came or went as a whole."""

    set: list[Path] = field(default_factory=list)
    """Added or changed."""
    removed: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.set or self.removed)


def changes(old: Object, new: Object, schema: Schema, budget: Budget, *, without: str = "") -> Changes:
    """All fields that a manager can own and that differ, but those in the member ``without``.

    Raises :class:`OutOfBudget`.
    """
    walk = _Walk(budget)
    for name in {**old, **new}:
        if name not in ("apiVersion", "kind", "metadata", without):
            walk.compare(old.get(name, _MISSING), new.get(name, _MISSING), schema.child(name), (f"f:{name}",))
    before, after, known = old.get("metadata") or {}, new.get("metadata") or {}, schema.child("metadata")
    if before is not after:
        for name in {**before, **after}:
            if name not in UNOWNED_METADATA:
                child = known.child(name) if known is not None else None
                there, here = before.get(name, _MISSING), after.get(name, _MISSING)
                walk.compare(there, here, child, ("f:metadata", f"f:{name}"))
    return walk.found


class _Walk:
    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.found = Changes()

    def compare(self, old: Any, new: Any, schema: Schema | None, path: Path) -> None:
        if old is new:
            return
        self._budget.spend(STEPS)
        kind = type(old if new is _MISSING or new is None else new)
        granular = _has_members(kind, schema) and (old or new)
        if not granular or type(old) not in (kind, _ABSENT, type(None)) or type(new) not in (kind, _ABSENT, type(None)):
            self._leaf(old, new, path)
            return
        before, after = (value if type(value) is kind else kind() for value in (old, new))
        if kind is dict:
            for name in {**before, **after}:
                there, here = before.get(name, _MISSING), after.get(name, _MISSING)
                if there is not here:
                    child = schema.child(name) if schema is not None else None
                    self.compare(there, here, child, (*path, f"f:{name}"))
        elif schema is not None:
            earlier = {element(item, schema): item for item in reversed(before)}
            later = {element(item, schema): item for item in reversed(after)}
            for part in {**earlier, **later}:
                self._item(earlier.get(part, _MISSING), later.get(part, _MISSING), schema, (*path, part))
        if old is _MISSING or new is _MISSING:
            self._leaf(old, new, path)

    def _item(self, old: Any, new: Any, schema: Schema, path: Path) -> None:
        if path[-1][0] == "v":
            self._leaf(old, new, path)
        else:
            self.compare(old, new, schema.items, path)

    def _leaf(self, old: Any, new: Any, path: Path) -> None:
        if new is _MISSING:
            self.found.removed.append(path)
        elif old is _MISSING or not same(old, new):
            self.found.set.append(path)


_ABSENT = type(_MISSING)


def _has_members(kind: type, schema: Schema | None) -> bool:
    if kind is dict:
        return schema is None or not schema.atomic
    return kind is list and schema is not None and schema.list_type != "atomic"
