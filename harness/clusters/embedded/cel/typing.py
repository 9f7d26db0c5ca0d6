"""The types that a rule's expression has, from the schema that it is about: fields that are unknown, and times.

The library knows nothing of schemas: the members of ``self`` have any type. So unknown fields are looked for here,
and texts that the schema says are times become times where they are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from harness.clusters.embedded.cel.environment import BadExpression, UnreadablePattern, compile_tree, evaluate
from harness.clusters.embedded.cel.pairs import expanded
from harness.clusters.embedded.cel.syntax import Node, Tree
from harness.clusters.embedded.patterns import BadPattern, compile_pattern
from harness.clusters.embedded.values import Object

__all__ = ["escaped", "prepared", "type_of", "uses"]

_RESERVED = frozenset(
    ("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
     "let", "loop", "package", "namespace", "return", "var", "void", "while")
)  # fmt: skip
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED = re.compile(r"__|\.|-|/")
_TIMES = {"date-time": "timestamp", "date": "timestamp", "duration": "duration"}
_VALIDATE = re.compile(r"format\.\w+\(\)\.validate\(")
_SCALARS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
_COMPARED = ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_")
_BOOLEAN = frozenset((*_COMPARED, "_&&_", "_||_", "!_", "@in", "startsWith", "endsWith", "contains", "matches"))
_NUMBERS = ("int", "uint", "double", "duration")
_ORDERED = (*_NUMBERS, "string", "bool", "bytes", "timestamp")
_ITEMS = {"isSorted": _ORDERED, "min": _ORDERED, "max": _ORDERED, "sum": _NUMBERS}
"""The types of items that functions of lists take."""
_ITEM = re.compile(r"list\((.*)\)")
_SETS = ("sets.contains", "sets.equivalent", "sets.intersects")
_CONSTANTS: dict[str, Object] = {
    kind: {"type": name}
    for name, kind in (("string", "string"), ("integer", "int"), ("number", "double"), ("boolean", "bool"))
}
_OWN = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
_METADATA = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}

Schemas = dict[str, "Object | None"]
"""The schema of each variable, None where it is not known."""


def escaped(name: str) -> str | None:
    """A field's name in expressions; None if it cannot have one."""
    if name in _RESERVED:
        return f"__{name}__"
    text = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name)
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text, re.ASCII) else None


def type_of(schema: Object | None) -> str:
    """The CEL type of a schema's values, or ``dyn``."""
    if schema is None or schema.get("x-kubernetes-int-or-string"):
        return "dyn"
    kind = schema.get("type", "")
    if kind == "string":
        return _TIMES.get(schema.get("format", ""), "bytes" if schema.get("format") == "byte" else "string")
    if kind == "object":
        return "map" if isinstance(schema.get("additionalProperties"), dict) else "object"
    return {**_SCALARS, "array": "list"}.get(kind, "dyn")


def uses(text: str, variable: str) -> bool:
    """Whether an expression reads a variable. Raises :class:`BadExpression`."""
    return any(node.kind == "name" and node.text == variable for node in compile_tree(text).root.walk())


def prepared(text: str, schema: Object, *, root: bool) -> tuple[str, str]:
    """The text to evaluate, and the type of its value, as far as it is known. Raises :class:`BadExpression`.

    ``root``: whether the schema is of a whole object, with the members that every object has.
    """
    text = expanded(text)
    tree = compile_tree(text)
    if root:
        schema = {**schema, "properties": {**(schema.get("properties") or {}), **_OWN, "metadata": _METADATA}}
    walk = _Walk(text, tree)
    kind = walk.visit(tree.root, {"self": schema, "oldSelf": schema})[0]
    return walk.rewritten(), kind


class _Walk:
    def __init__(self, text: str, tree: Tree) -> None:
        self._text, self._positions = text, tree.positions
        self._wrapped: dict[int, tuple[int, str]] = {}

    def visit(self, node: Node, known: Schemas) -> tuple[str, Object | None]:
        """The type of a node's value, and its schema."""
        match node.kind:
            case "constant":
                return node.text, _CONSTANTS.get(node.text)
            case "list" if node.parts:
                return self._list(node, known)
            case "name":
                schema = known.get(node.text)
                self._wrap(node, schema)
                return type_of(schema), schema
            case "select":
                return self._select(node, known)
            case "comprehension":
                return self._comprehension(node, known)
            case "call":
                return self._call(node, known)
        for part in node.parts:
            self.visit(part, known)
        return "dyn", None

    def _select(self, node: Node, known: Schemas) -> tuple[str, Object | None]:
        kind, schema = self.visit(node.parts[0], known)
        found: Object | None = None
        if schema is not None and kind == "object":
            members = {escaped(name): child for name, child in (schema.get("properties") or {}).items()}
            if node.text not in members:
                self._fail(node, f"undefined field '{node.text}'")
            found = members[node.text]
        elif schema is not None and kind == "map":
            found = schema["additionalProperties"]
        if node.tested:
            return "bool", None
        self._wrap(node, found)
        return type_of(found), found

    def _comprehension(self, node: Node, known: Schemas) -> tuple[str, Object | None]:
        ranged, *rest = node.parts
        kind, schema = self.visit(ranged, known)
        item = schema.get("items") if schema is not None and kind == "list" else None
        inner: Schemas = {**known, node.text: item if isinstance(item, dict) else None, node.accumulator: None}
        kinds = [self.visit(part, inner)[0] for part in rest]
        return ("bool" if kinds and kinds[0] == "bool" else "dyn"), None

    def _call(self, node: Node, known: Schemas) -> tuple[str, Object | None]:
        found = [self.visit(part, known) for part in node.parts]
        kinds = [kind for kind, _ in found]
        self._check_arguments(node, found)
        self._check_literals(node)
        if node.text in _COMPARED and len(kinds) == 2:
            if not _comparable(kinds, node.text):
                shown = ", ".join(kinds)
                self._fail(node, f"found no matching overload for '{node.text}' applied to '({shown})'")
            return "bool", None
        if node.text == "_[_]" and found[0][1] is not None:
            schema = found[0][1]
            item = schema.get("items") if kinds[0] == "list" else schema.get("additionalProperties")
            item = item if isinstance(item, dict) else None
            return type_of(item), item
        if node.text == "_?_:_":
            return (kinds[1] if kinds[1] == kinds[2] else "dyn"), None
        if node.text in _BOOLEAN:
            return "bool", None
        return {"size": "int", "string": "string", "int": "int"}.get(node.text, "dyn"), None

    def _list(self, node: Node, known: Schemas) -> tuple[str, Object | None]:
        found = [self.visit(part, known)[1] for part in node.parts]
        alike = found[0] is not None and all(_shown(one) == _shown(found[0]) for one in found)
        return "list", {"type": "array", "items": found[0]} if alike else None

    def _check_arguments(self, node: Node, found: list[tuple[str, Object | None]]) -> None:
        """Fail if a list has items of a type that the function does not take."""
        name, schemas = node.text, [schema for _, schema in found]
        shown = [_shown(schema) if schema is not None else kind for kind, schema in found]
        if name in _ITEMS and node.targeted and schemas[0] is not None:
            item = _ITEM.fullmatch(shown[0])
            if shown[0] != "dyn" and (item is None or item[1] not in (*_ITEMS[name], "dyn")):
                self._fail(node, f"found no matching overload for '{name}' applied to '{shown[0]}.()'")
        elif name in _SETS and len(found) == 2 and None not in schemas and "dyn" not in shown and shown[0] != shown[1]:
            self._fail(node, f"found no matching overload for '{name}' applied to '({shown[0]}, {shown[1]})'")

    def _check_literals(self, node: Node) -> None:
        """Fail if a pattern or a time that is written out cannot be read."""
        value = node.parts[-1].value if node.parts else None
        if value is None:
            return
        if node.text == "matches" and not _reads(compile_pattern, value):
            self._fail(node.parts[-1], "invalid matches argument")
        if node.text in ("find", "findAll") and len(node.parts) == 2:
            try:
                compile_pattern(value)
            except BadPattern as error:
                raise UnreadablePattern(str(error)) from error
        if (
            node.text in ("duration", "timestamp")
            and len(node.parts) == 1
            and not _reads(_evaluated, f"{node.text}({orjson.dumps(value).decode()})")
        ):
            self._fail(node.parts[-1], f"invalid {node.text} argument")

    def _wrap(self, node: Node, schema: Object | None) -> None:
        """Note that a name or a chain of selects is a text that has to become a time."""
        convert = type_of(schema)
        if convert not in ("timestamp", "duration") or node.number not in self._positions:
            return
        first = node
        while first.kind == "select":
            first = first.parts[0]
        if first.kind != "name" or first.number not in self._positions:
            return
        end = self._positions[node.number] + len(node.text) + (node.kind == "select")
        self._wrapped[self._positions[first.number]] = (end, convert)

    def rewritten(self) -> str:
        """The text with times converted, and with optionals where the library's functions cannot return them."""
        edits = [(start, f"{convert}(") for start, (_, convert) in self._wrapped.items()]
        edits += [(end, ")") for end, _ in self._wrapped.values()]
        for start, end in _validations(self._text):
            edits += [(start, "optional.ofNonZeroValue("), (end, ")")]
        text = self._text
        for place, addition in sorted(edits, reverse=True):
            text = text[:place] + addition + text[place:]
        return text

    def _fail(self, node: Node, problem: str) -> None:
        place = self._positions.get(node.number, 0)
        line = self._text.rfind("\n", 0, place) + 1
        shown = self._text[line:].partition("\n")[0]
        row, column = self._text.count("\n", 0, place) + 1, place - line
        raise BadExpression(f"ERROR: <input>:{row}:{column + 1}: {problem}\n | {shown}\n | {'.' * column}^")


def _shown(schema: Object | None) -> str:
    """The type of a schema's values as messages name it, such as ``list(string)``."""
    kind = type_of(schema)
    if schema is None or kind not in ("list", "map"):
        return kind
    inner = schema.get("items") if kind == "list" else schema["additionalProperties"]
    shown = _shown(inner if isinstance(inner, dict) else None)
    return f"list({shown})" if kind == "list" else f"map(string, {shown})"


def _evaluated(text: str) -> object:
    return evaluate(text, {"self": None, "oldSelf": None, "hasOldSelf": False})


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _comparable(kinds: list[str], function: str) -> bool:
    known: Any = ("string", "int", "double", "bool", "timestamp", "duration")
    if kinds[0] not in known or kinds[1] not in known or kinds[0] == kinds[1]:
        return True
    return function not in ("_==_", "_!=_") and set(kinds) == {"int", "double"}


def _validations(text: str) -> Iterator[tuple[int, int]]:
    for match in _VALIDATE.finditer(text):
        depth, place = 1, match.end()
        while depth and place < len(text):
            depth += {"(": 1, ")": -1}.get(text[place], 0)
            place += 1
        yield match.start(), place
