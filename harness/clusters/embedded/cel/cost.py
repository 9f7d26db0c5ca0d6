"""The cost that a rule can come to, estimated from its schema, so that a definition with a costly rule is refused.

The weights are those of cel-go's estimator as far as they decide: the lengths of lists, maps and texts multiply.
Where a schema has no limit, the length is what fits into a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded.cel.environment import compile_tree
from harness.clusters.embedded.cel.pairs import PAIRS
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
_PATTERN = 0.25
"""Of a step, for one character of a pattern."""
_LIST_MADE, _MAP_MADE = 10, 30
_COMPARED = frozenset(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"))
_OF_ARGUMENT = frozenset(("startsWith", "endsWith"))
_PATTERNS = frozenset(("matches", "find", "findAll"))
_PRODUCT = frozenset(("contains", "indexOf", "lastIndexOf", "replace", "split"))
_OF_LIST = frozenset(("isSorted", "sum", "min", "max", "indexOf", "lastIndexOf"))
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
    much = "more than 100x" if factor > 100 else f"{factor:.1f}x" if factor >= 1.5 else f"{factor:f}x"
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
            return _Estimate(0.0, None, float(len(node.value)) if node.value is not None else 1.0)
        case "name":
            schema = known.get(node.text)
            return _Estimate(1.0, schema, _size(schema))
        case "select":
            inner = _visit(node.parts[0], known)
            if node.tested:
                return _Estimate(inner.cost)
            found = _member(inner.schema, node.text)
            return _Estimate(inner.cost + 1, found, _size(found))
        case "comprehension":
            ranged = _visit(node.parts[0], known)
            item = _item(ranged.schema)
            scope = {**known, node.text: item, node.accumulator: None}
            first, *loop, result = (_visit(part, scope).cost for part in node.parts[1:])
            return _Estimate(ranged.cost + first + result + ranged.size * sum(loop), None, ranged.size)
    parts = [_visit(part, known) for part in node.parts]
    if node.kind == "list":
        return _Estimate(_LIST_MADE + sum(part.cost for part in parts), None, float(len(parts)))
    if node.kind == "struct":
        return _Estimate(_MAP_MADE + sum(part.cost for part in parts), None, len(parts) / 2)
    return _call(node.text, parts)


def _call(function: str, parts: list[_Estimate]) -> _Estimate:
    costs, sizes = [part.cost for part in parts], [part.size for part in parts]
    arguments = sum(costs)
    match function:
        case "_&&_" | "_||_":
            return _Estimate(arguments)
        case "_?_:_":
            return _Estimate(costs[0] + max(costs[1:]), None, max(sizes[1:]))
        case "_[_]" | "_[?_]":
            item = _item(parts[0].schema)
            return _Estimate(1 + arguments, item, _size(item))
        case "_+_" if not _is_list(parts[0].schema):
            return _Estimate(arguments + max(1.0, _TRAVERSAL * sum(sizes)), None, sum(sizes))
        case "@in":
            return _Estimate(arguments + sizes[-1])
        case "sets.contains" | "sets.equivalent" | "sets.intersects":
            return _Estimate(1 + arguments + sizes[0] * sizes[-1])
    size = max(sizes, default=1.0)
    if function in _COMPARED:
        return _Estimate(arguments + max(1.0, _TRAVERSAL * min(sizes)))
    if function in _OF_ARGUMENT:
        return _Estimate(arguments + max(1.0, _TRAVERSAL * sizes[-1]))
    if function in _PATTERNS and len(sizes) > 1:
        return _Estimate(arguments + _TRAVERSAL * (sizes[0] + 1) * max(1.0, _PATTERN * sizes[1]), None, size)
    if function in _PRODUCT and len(sizes) > 1:
        return _Estimate(arguments + _TRAVERSAL * sizes[0] * max(1.0, _TRAVERSAL * sizes[1]), None, size)
    if function in _OF_LIST and _is_list(parts[0].schema):
        item = _item(parts[0].schema)
        text = _TRAVERSAL * _size(item) if item is not None and item.get("type") == "string" else 0.0
        return _Estimate(arguments + sizes[0] * (1 + text))
    if function == PAIRS:
        return _Estimate(arguments, None, sizes[0])
    return _Estimate(1 + arguments, None, size)


def _is_list(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "array"


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
