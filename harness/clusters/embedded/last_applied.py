"""From ``kubectl apply`` to ``kubectl apply --server-side``: the first leaves an annotation with its configuration.

Without this, the fields that kubectl itself wrote would be in conflict with kubectl.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.field_changes import changes
from harness.clusters.embedded.field_sets import Fields, Path
from harness.clusters.embedded.ownership import Manager
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.values import Object, lookup

__all__ = ["disputed", "renewed"]

_KUBECTL = "kubectl"
_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_LIMIT = 256 << 10
"""Bytes of all annotations; a longer configuration leaves none."""

Conflict = tuple[Object, Path]


def disputed(
    conflicts: Sequence[Conflict], live: Object, manager: Manager, schema: Schema, budget: Budget
) -> list[Conflict]:
    """The conflicts that remain when fields count as kubectl's that it applied before and that are unchanged since."""
    config = _parsed(lookup(live, ("metadata", "annotations", _ANNOTATION))) if manager.name == _KUBECTL else None
    if config is None:
        return list(conflicts)
    change = changes(config, live, schema, budget)
    own = Fields(config, schema, budget).paths.difference(change.set, change.removed)
    return [] if all(path in own for _, path in conflicts) else [one for one in conflicts if one[1] not in own]


def renewed(merged: Object, config: Object, live: Object | None, manager: Manager) -> Object:
    """``merged`` with the annotation saying what kubectl has applied now, where it is there already."""
    if manager.name != _KUBECTL or lookup(live, ("metadata", "annotations", _ANNOTATION)) is None:
        return merged
    text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
    metadata = merged["metadata"]
    annotations = {**(metadata.get("annotations") or {}), _ANNOTATION: text}
    if len(text) > _LIMIT:
        del annotations[_ANNOTATION]
    return {**merged, "metadata": {**metadata, "annotations": annotations}}


def _parsed(text: Any) -> Object | None:
    try:
        config = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return None
    return config if isinstance(config, dict) else None
