"""Tables of the platform's contracts: resources, phases, and messages on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = tuple[str, ...]
Table = Callable[[], Iterable[Row]]


def _fields(schema: dict[str, Any], path: str, required: bool = False) -> Iterable[Row]:
    """Rows of one schema: field, type, whether it is required, limits, and description."""
    if path:
        kind = schema.get("format") or schema.get("type") or "any"
        if schema.get("type") == "array":
            kind = f"list of {schema['items'].get('format') or schema['items'].get('type', 'any')}"
        limits = [f"{word} {schema[key]}" for key, word in LIMITS.items() if key in schema]
        if "enum" in schema:
            limits.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
        if "default" in schema and schema["default"] != {}:
            limits.append(f"default `{schema['default']}`")
        yield f"`{path}`", str(kind), "yes" if required else "", "; ".join(limits), schema.get("description", "")
    inner = schema.get("items", schema) if schema.get("type") == "array" else schema
    mark = "[]" if inner is not schema else ""
    for name, child in inner.get("properties", {}).items():
        if not path and name in ("apiVersion", "kind", "metadata"):
            continue
        yield from _fields(child, f"{path}{mark}.{name}".lstrip("."), name in inner.get("required", ()))
    extra = inner.get("additionalProperties")
    if isinstance(extra, dict) and extra.get("properties"):
        yield from _fields({**extra, "description": ""}, f"{path}{mark}.*")


LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "length at least",
    "maxLength": "length at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "maxProperties": "entries at most",
}


def resource(kind: str) -> Table:
    def table() -> Iterable[Row]:
        from harness.wasmbed.resources.kinds import load_crds

        definition = next(crd for crd in load_crds() if crd["spec"]["names"]["kind"] == kind)
        yield "field", "type", "required", "limits", "description"
        yield from _fields(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")

    return table


def phases(kind: str) -> Table:
    def table() -> Iterable[Row]:
        from harness.wasmbed.resources.phases import MOVES

        moves = next(moves for resource, moves in MOVES.items() if resource.kind == kind)
        yield "phase", "possible next phases"
        yield from (
            (f"`{phase}`", ", ".join(f"`{then}`" for then in sorted(after)) or "-") for phase, after in moves.items()
        )

    return table


MESSAGE = re.compile(r"^([a-z-]+) = \[(\d+), \{(.*?)\}\]$", re.MULTILINE | re.DOTALL)
FIELD = re.compile(
    r"(\?)?\s*(\d+): (.+?)(?:,\s*(?:; (.*))?$|\s*; (.*)$|,\s(?=\??\s*\d+:)|$)",
    re.MULTILINE,
)


def messages(section: str) -> Table:
    """Rows of the messages in one section of ``wasmbed.cddl``; its comments have the units."""

    def table() -> Iterable[Row]:
        import harness.wasmbed.protocol as protocol

        text = (Path(protocol.__file__).parent / "wasmbed.cddl").read_text("utf-8")
        parts = re.split(r"^; (device -> gateway|gateway -> device|both ways|shared)$", text, flags=re.MULTILINE)
        yield "tag", "message", "field", "type", "description"
        for name, tag, fields in MESSAGE.findall(parts[parts.index(section) + 1]):
            head: Row = (tag, f"`{name}`")
            for optional, number, kind, note, last in FIELD.findall(fields.strip()) or [("", "", "", "", "")]:
                field = f"{number} (optional)" if optional else number
                yield (*head, field, kind and f"`{kind.strip().rstrip(',')}`", note or last)
                head = ("", "")

    return table
