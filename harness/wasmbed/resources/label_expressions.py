"""The set-based requirements of a Kubernetes label selector (``matchExpressions``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["meets"]


def meets(labels: Mapping[str, str], expression: Mapping[str, Any]) -> bool:
    """Whether an object's ``labels`` meet one requirement: ``key``, ``operator``, and ``values``.

    Raises :class:`ValueError` for an unknown operator, which the resource's schema excludes.
    """
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"unknown operator {expression['operator']!r}")
