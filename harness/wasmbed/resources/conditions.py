"""``status.conditions`` after the Kubernetes API conventions.

A merge patch replaces a list as a whole, so a writer changes its own condition in the present ones and writes all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["find_condition", "with_condition"]

Condition = Mapping[str, Any]


def find_condition(conditions: Iterable[Condition] | None, type: str) -> Condition | None:
    """Return the condition of that type."""
    return next((condition for condition in conditions or () if condition.get("type") == type), None)


def with_condition(
    conditions: Iterable[Condition] | None,
    type: str,
    status: bool | None,
    reason: str,
    message: str = "",
    *,
    now: float,
    generation: int | None = None,
) -> list[dict[str, Any]]:
    """Return a copy of ``conditions`` in which the condition of that type has this status; None is ``Unknown``.

    ``lastTransitionTime`` changes only with the status. ``reason`` is one CamelCase word.
    """
    present = list(conditions or ())
    old = find_condition(present, type)
    text = {True: "True", False: "False", None: "Unknown"}[status]
    same = old is not None and old.get("status") == text
    new: dict[str, Any] = {
        "type": type,
        "status": text,
        "reason": reason,
        "message": message,
        "lastTransitionTime": old["lastTransitionTime"] if same and old else format_timestamp(now),
    }
    if generation is not None:
        new["observedGeneration"] = generation
    return [new if condition is old else dict(condition) for condition in present] + ([] if old else [new])
