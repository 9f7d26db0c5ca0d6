"""The reference page at ``/docs``: the OpenAPI document as one page of HTML, without scripts or other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

__all__ = ["POLICY", "reference_page"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The page's Content-Security-Policy."""
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
section { border-top: 1px solid #8886; padding-top: .5rem; }
h3, code { font-family: ui-monospace, monospace; }
h3 { font-size: 1rem; overflow-wrap: anywhere; }
.method { display: inline-block; min-width: 4.5rem; font-weight: bold; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
.needed::after { content: " *"; }
"""


def reference_page(document: Mapping[str, Any]) -> bytes:
    """Return the page for an OpenAPI 3.1 document."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    operations = [
        (path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()
    ]
    links = "".join(
        f'<li><a href="#{escape(each["operationId"])}"><span class="method">{method.upper()}</span>'
        f"{escape(path)}</a></li>"
        for path, method, each in operations
    )
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: REST API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<header><h1>{title}</h1><p>{escape(info['description'])} "
        '<a href="/openapi.json">OpenAPI document</a>. Fields with * are required.</p></header>'
        f'<main><nav aria-label="Operations"><ul>{links}</ul></nav>',
        *(_operation(*each) for each in operations),
        "<h2>Types</h2>",
        *(_type(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
        "</main></body></html>",
    ]
    return "".join(parts).encode()


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    right = operation.get("x-wasmbed-right")
    body = operation.get("requestBody")
    return "".join(
        [
            f'<section id="{escape(operation["operationId"])}"><h3><span class="method">{method.upper()}</span>',
            f"{escape(path)}</h3><p>{escape(operation['summary'])}</p>",
            f"<p>Right: <code>{escape(right)}</code></p>" if right else "<p>No token is needed.</p>",
            _table(
                "Parameters",
                (
                    (each["name"], each["required"], each["schema"], each.get("description", ""))
                    for each in operation.get("parameters", ())
                ),
            ),
            f"<p>Body: {_shown(body['content']['application/json']['schema'])}</p>" if body else "",
            _answers(operation["responses"]),
            "</section>",
        ]
    )


def _answers(answers: Mapping[str, Any]) -> str:
    rows = []
    for status, answer in answers.items():
        ((media_type, content),) = answer["content"].items()
        shown = _shown(content["schema"]) if status < "400" and "schema" in content else f"<code>{media_type}</code>"
        rows.append(f"<tr><td><code>{status}</code></td><td>{escape(answer['description'])}</td><td>{shown}</td></tr>")
    return f'<div class="scroll"><table><tbody>{"".join(rows)}</tbody></table></div>'


def _type(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    fields = (
        (field, field in needed, each, each.get("description", ""))
        for field, each in schema.get("properties", {}).items()
    )
    described = f"<p>{escape(schema.get('description', ''))}</p>"
    shown = _table("Fields", fields) or f"<p>{_shown(schema)}</p>"
    return f'<section id="type-{escape(name)}"><h3>{escape(name)}</h3>{described}{shown}</section>'


def _table(label: str, rows: Iterator[tuple[str, bool, Any, str]]) -> str:
    lines = [
        f"<tr><td><code{' class=needed' if needed else ''}>{escape(name)}</code></td><td>{_shown(schema)}</td>"
        f"<td>{escape(text)}</td></tr>"
        for name, needed, schema, text in rows
    ]
    if not lines:
        return ""
    return f'<div class="scroll"><table aria-label="{label}"><tbody>{"".join(lines)}</tbody></table></div>'


def _shown(schema: Any) -> str:
    """Return a schema in a few words."""
    if not isinstance(schema, Mapping) or not schema:
        return "anything"
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#type-{name}">{name}</a>'
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(_shown(each) for each in schema[choice])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']).lower())}</code>"
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_shown(schema.get('items'))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {_shown(schema['additionalProperties'])}"
    return escape(str(schema.get("format") or schema.get("type", "anything")))
