"""Which labels meet which requirement, by the rules of Kubernetes."""

from __future__ import annotations

import pytest

from harness.wasmbed.resources.label_expressions import meets

ROOF, YARD, NONE = {"site": "roof"}, {"site": "yard"}, {"kind": "pump"}


@pytest.mark.parametrize(
    ("operator", "values", "met_by"),
    [
        ("In", ["roof", "cellar"], [ROOF]),
        ("NotIn", ["roof"], [YARD, NONE]),
        ("Exists", None, [ROOF, YARD]),
        ("DoesNotExist", None, [NONE]),
    ],
)
def test_requirements(operator, values, met_by) -> None:
    expression = {"key": "site", "operator": operator} | ({"values": values} if values else {})
    assert [labels for labels in (ROOF, YARD, NONE) if meets(labels, expression)] == met_by


def test_an_operator_that_the_schema_excludes_is_an_error() -> None:
    with pytest.raises(ValueError, match="Like"):
        meets(ROOF, {"key": "site", "operator": "Like"})
