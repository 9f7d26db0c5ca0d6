"""Null inside the schema of a definition: Go reads it as the empty value of its type."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.definition_form import read_form


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"type": "object", "required": ["a", None]}, {"type": "object", "required": ["a", ""]}),
        ({"type": "object", "properties": {"a": None}}, {"type": "object", "properties": {"a": {}}}),
        ({"anyOf": [{"type": "string"}, None]}, {"anyOf": [{"type": "string"}, {}]}),
        ({"type": "array", "items": None}, {"type": "array"}),
    ],
)
def test_null_is_the_empty_value(given: dict[str, object], read: dict[str, object]) -> None:
    read_form(given, "spec.versions.schema.openAPIV3Schema", Budget())
    assert given == read
