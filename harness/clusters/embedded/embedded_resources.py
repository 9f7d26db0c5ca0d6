"""Objects inside objects (``x-kubernetes-embedded-resource``): with a kind, a version, and metadata as all have."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.metadata import dns_1035_problem, label_causes

__all__ = ["embedded_causes"]


def embedded_causes(value: dict[str, Any], path: str) -> list[Cause]:
    """The faults of an embedded object, beyond those of its schema."""
    causes: list[Cause] = []
    for member, check in (("apiVersion", _version_problem), ("kind", _kind_problem)):
        where = f"{path}.{member}"
        if member not in value:
            causes.append(errors.required(where))
        elif type(text := value[member]) is str and (problem := check(text)):
            causes.append(errors.invalid_value(where, text, problem))
    metadata = value.get("metadata")
    labels = metadata.get("labels") if type(metadata) is dict else None
    if type(labels) is dict and all(type(label) is str for label in labels.values()):
        causes.extend(label_causes(labels, f"{path}.metadata.labels"))
    return causes


def _version_problem(text: str) -> str:
    if not text:
        return "must not be empty"
    return f"unexpected GroupVersion string: {text}" if text.count("/") > 1 else ""


def _kind_problem(text: str) -> str:
    if not text:
        return "must not be empty"
    problem = dns_1035_problem(text.lower())
    return f"may have mixed case, but should otherwise match: {problem}" if problem else ""
