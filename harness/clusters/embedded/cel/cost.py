"""The cost that a rule can come to, estimated from its schema, so that a definition with a costly rule is refused.

The weights are those of cel-go's estimator as far as they decide: the lengths of lists, maps and texts multiply.
Where a schema has no limit, the length is what fits into a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded.cel.environment import compile_tree
from harness.clusters.embedded.cel.syntax import Node
from harness.clusters.embedded.cel.typing import escaped
from harness.clusters.embedded.values import Object

__all__ = ["EXPRESSION_LIMIT", "SCHEMA_LIMIT", "cardinality", "excess", "rule_cost"]

EXPRESSION_LIMIT, SCHEMA_LIMIT = 10_000_000, 100_000_000
_REQUEST = 3 << 20
_TRAVERSAL = 0.1
"""Of a step, for one character."""
_SMALLEST = {"string": 2, "integer": 1, "number": 1, "boolean": 4, "object": 2, "array": 2}
"""Bytes that a value of a type takes in a request at least."""
_BOTH = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_+_", "startsWith", "endsWith"))
_PRODUCT = frozenset(("contains", "matches", "find", "findAll", "indexOf", "lastIndexOf", "replace", "split"))
_HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


@dataclass(frozen=True, slots=True)
class _Estimate:
    cost: float
    schema: Any = None
    size: float = 1.0


def excess(cost: float, limit: int) -> str:
    """By how much an estimate is beyond its limit, in Kubernetes' words."""
    factor = cost / limit
    much = "more than 100x" if factor > 100 else f"{factor:.1f}x"
    return f"exceeds budget by factor of {much} {_HINT}"


def rule_cost(text: str, schema: Object) -> float:
    """The steps that one evaluation can take."""
    return _visit(compile_tree(text).root, {"self": schema, "oldSelf": schema}).cost


def cardinality(schema: Object) -> float:
    """The largest number of items of a list or a map; 1 for all else."""
    if isinstance(schema.get("items"), dict):
        return _length(schema, "maxItems", schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        return _length(schema, "maxProperties", schema["additionalProperties"])
    return 1.0


def _length(schema: Object, limit: str, item: Object) -> float:
    if isinstance(most := schema.get(limit), int):
        return float(most)
    return (_REQUEST - 2) / (_SMALLEST.get(item.get("type", ""), 1) + 1)


def _size(schema: Any) -> float:
    if not isinstance(schema, dict):
        return 1.0
    if schema.get("type") == "string":
        longest = schema.get("maxLength")
        if schema.get("format") in ("date-time", "date", "duration"):
            return 32.0
        words = [len(word) for word in schema.get("enum") or () if isinstance(word, str)]
        return float(max(words)) if words else 4.0 * longest if isinstance(longest, int) else float(_REQUEST)
    return cardinality(schema)


def _visit(node: Node, known: dict[str, Any]) -> _Estimate:
    match node.kind:
        case "constant":
            return _Estimate(0.0)
        case "name":
            schema = known.get(node.text)
            return _Estimate(1.0, schema, _size(schema))
        case "select":
            inner = _visit(node.parts[0], known)
            found = _member(inner.schema, node.text)
            return _Estimate(inner.cost + 1, found, _size(found))
        case "comprehension":
            ranged = _visit(node.parts[0], known)
            item = _item(ranged.schema)
            scope = {**known, node.text: item, node.accumulator: None}
            first, *loop, result = (_visit(part, scope).cost for part in node.parts[1:])
            return _Estimate(ranged.cost + first + result + ranged.size * sum(loop), None, ranged.size)
    parts = [_visit(part, known) for part in node.parts]
    cost, sizes = 1 + sum(part.cost for part in parts), [part.size for part in parts]
    if node.text in _BOTH and sizes:
        cost += _TRAVERSAL * min(sizes)
    elif node.text in _PRODUCT and len(sizes) > 1:
        cost += _TRAVERSAL * sizes[0] * max(1.0, _TRAVERSAL * sizes[1])
    elif node.text == "@in" and len(sizes) > 1:
        cost += sizes[1]
    elif node.text == "_[_]":
        item = _item(parts[0].schema)
        return _Estimate(cost, item, _size(item))
    return _Estimate(cost, None, max(sizes, default=1.0))


def _member(schema: Any, name: str) -> Any:
    if not isinstance(schema, dict):
        return None
    for key, child in (schema.get("properties") or {}).items():
        if escaped(key) == name:
            return child
    return schema.get("additionalProperties")


def _item(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return None
    return schema.get("items") if schema.get("type") == "array" else {"type": "string", "maxLength": 64}
