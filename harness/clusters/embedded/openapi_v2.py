"""OpenAPI version 2 in the protobuf form (gnostic's ``OpenAPIv2.proto``) that ``kubectl`` before 1.27 asks for.

It asks for nothing else, and neither validates nor explains without it.
"""

from __future__ import annotations

from typing import Any

import orjson

from harness.clusters.embedded.protobuf.wire import nested, number, text
from harness.clusters.embedded.values import Object

__all__ = ["MEDIA_TYPE", "encode"]

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""Its name in an answer; clients ask for it with an ``@``, which they could not read back."""


def encode(document: Object) -> bytes:
    """A Document; of its paths only what is said of PATCH."""
    info = text(1, document["info"]["title"]) + text(2, document["info"]["version"])
    named = b"".join(nested(1, _named(name, _schema(item))) for name, item in document["definitions"].items())
    paths = b"".join(
        nested(2, _named(path, nested(8, _patch(item["patch"])))) for path, item in document["paths"].items()
    )
    return text(1, document["swagger"]) + nested(2, info) + nested(8, paths) + nested(9, named)


def _patch(operation: Object) -> bytes:
    parts = []
    for parameter in operation["parameters"]:
        described = text(2, parameter["in"]) + text(4, parameter["name"]) + text(6, parameter["type"])
        parts.append(nested(8, nested(1, nested(2, nested(3, described)))))
    extension = "x-kubernetes-group-version-kind"
    parts.append(nested(13, _named(extension, _any(operation[extension]))))
    return b"".join(parts)


def _named(name: str, value: bytes) -> bytes:
    return text(1, name) + nested(2, value)


def _any(value: Any) -> bytes:
    """An ``Any``: its text as YAML, of which JSON is a part."""
    return text(2, orjson.dumps(value).decode())


def _schema(schema: Object) -> bytes:
    parts = []
    for place, keyword in ((1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (14, "pattern")):
        if keyword in schema:
            parts.append(text(place, schema[keyword]))
    if "default" in schema:
        parts.append(nested(5, _any(schema["default"])))
    parts.extend(text(19, name) for name in schema.get("required", ()))
    parts.extend(nested(20, _any(value)) for value in schema.get("enum", ()))
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        parts.append(nested(21, nested(1, _schema(additional))))
    elif additional:
        parts.append(nested(21, number(2, 1)))
    if "type" in schema:
        parts.append(nested(22, text(1, schema["type"])))
    if "items" in schema:
        parts.append(nested(23, nested(1, _schema(schema["items"]))))
    if "properties" in schema:
        members = b"".join(nested(1, _named(name, _schema(item))) for name, item in schema["properties"].items())
        parts.append(nested(25, members))
    parts.extend(
        nested(31, _named(name, _any(value))) for name, value in schema.items() if name.startswith("x-kubernetes-")
    )
    return b"".join(parts)
