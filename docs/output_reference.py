"""Writes ``docs/reference/output.md`` and a JSON Schema for each document in ``docs/reference/output``, both made from
:mod:`harness.cli.shapes`: ``python docs/output_reference.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.cli.shapes import CHANGES, DOCUMENTS

FOLDER = Path(__file__).parent / "reference"
HEAD = """\
# Output for scripts

`-o json` and `-o yaml` print one document, whose members are below: they stay, and only new ones are added. `-o name`
prints a name a line, as `device/pump-1`, `-o wide` a table with more columns. Tables are for people, and change.
In a pipe or a file a table has one line a row, however long, and no colour. With `COLUMNS` set, lines are folded to it.

With `--watch`, `status`, `devices` and `apps` go on until Ctrl-C: JSON is then one line for each change, YAML a
document for each, that begins with `---`. What is there at first comes as `ADDED`. A change of `lastHeartbeat` alone is
not shown.

Errors and notes are on standard error. The exit codes are 0 (good), 1 (the platform or the product is wrong), 2 (the
command is wrong) and 3 (the equipment failed). A command that Ctrl-C, or the end of the pipe's reader, has ended is
reported as a shell reports signals: 130 and 141.

Times are RFC 3339, in UTC. A member without a value is `null`. The JSON Schemas are in `docs/reference/output`.
"""


def adapter(command: str, **options: Any) -> TypeAdapter[Any]:
    """A validator of lists of the document of ``command``: pydantic takes ``options`` for a list, not for its type."""
    shape: Any = (DOCUMENTS | CHANGES)[command]
    config: Any = {"use_attribute_docstrings": True, **options}
    return TypeAdapter(list[shape], config=config)


def schema(command: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of what ``command`` prints."""
    made = adapter(command).json_schema(mode="serialization")
    parts = _without_titles(made["$defs"])
    top = parts.pop(made["items"]["$ref"].rpartition("/")[2])
    head: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"wasmbed {command}"}
    return {**head, **top, **({"$defs": parts} if parts else {})}


def files() -> dict[Path, str]:
    """Every generated file with its content."""
    made = {FOLDER / "output.md": "\n".join([HEAD, *_sections()])}
    for command in DOCUMENTS | CHANGES:
        name = command.replace(" --", "-").replace(" ", "-").lower()
        made[FOLDER / "output" / f"{name}.json"] = json.dumps(schema(command), indent=2) + "\n"
    return made


def _without_titles(node: Any) -> Any:
    """Without the titles that pydantic makes of names, of which the text is in the names already."""
    if isinstance(node, list):
        return [_without_titles(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_titles(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}


def _sections() -> Iterator[str]:
    for command in DOCUMENTS | CHANGES:
        found = schema(command)
        yield f"## `wasmbed {command}`\n"
        yield from _table(found)
        for name, part in found.get("$defs", {}).items():
            yield f"**{name}**: {' '.join(part.get('description', '').split())}\n"
            yield from _table(part)


def _table(part: dict[str, Any]) -> Iterator[str]:
    yield "| member | type | meaning |\n| --- | --- | --- |"
    for name, member in part["properties"].items():
        yield f"| `{name}` | {_type(member)} | {' '.join(member.get('description', '').replace('``', '`').split())} |"
    yield ""


def _type(member: dict[str, Any]) -> str:
    if "anyOf" in member:
        return " or ".join(map(_type, member["anyOf"]))
    if "$ref" in member:
        return str(member["$ref"].rpartition("/")[2])
    if "enum" in member:
        return ", ".join(f"`{each}`" for each in member["enum"])
    if member["type"] == "array":
        return f"list of {_type(member['items'])}"
    if member["type"] == "object":
        return f"object of {_type(member['additionalProperties'])}"
    return str(member["type"])


if __name__ == "__main__":
    (FOLDER / "output").mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text, "utf-8")
