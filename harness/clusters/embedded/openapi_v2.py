"""OpenAPI version 2 in the protobuf form (gnostic's ``OpenAPIv2.proto``) that ``kubectl`` before 1.27 asks for.

It asks for nothing else, and neither validates nor explains without it.
"""

from __future__ import annotations

from typing import Any

import orjson

from harness.clusters.embedded.values import Object

__all__ = ["MEDIA_TYPE", "encode"]

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""Its name in an answer; clients ask for it with an ``@``, which they could not read back."""


def encode(document: Object) -> bytes:
    """A Document; of its paths only what is said of PATCH."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    named = b"".join(_nested(1, _named(name, _schema(item))) for name, item in document["definitions"].items())
    paths = b"".join(
        _nested(2, _named(path, _nested(8, _patch(item["patch"])))) for path, item in document["paths"].items()
    )
    return _text(1, document["swagger"]) + _nested(2, info) + _nested(8, paths) + _nested(9, named)


def _patch(operation: Object) -> bytes:
    parts = []
    for parameter in operation["parameters"]:
        described = _text(2, parameter["in"]) + _text(4, parameter["name"]) + _text(6, parameter["type"])
        parts.append(_nested(8, _nested(1, _nested(2, _nested(3, described)))))
    extension = "x-kubernetes-group-version-kind"
    parts.append(_nested(13, _named(extension, _any(operation[extension]))))
    return b"".join(parts)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _nested(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _text(number: int, value: str) -> bytes:
    return _nested(number, value.encode())


def _flag(number: int) -> bytes:
    return _varint(number << 3) + b"\x01"


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _nested(2, value)


def _any(value: Any) -> bytes:
    """An ``Any``: its text as YAML, of which JSON is a part."""
    return _text(2, orjson.dumps(value).decode())


def _schema(schema: Object) -> bytes:
    parts = []
    for number, keyword in ((1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (14, "pattern")):
        if keyword in schema:
            parts.append(_text(number, schema[keyword]))
    if "default" in schema:
        parts.append(_nested(5, _any(schema["default"])))
    parts.extend(_text(19, name) for name in schema.get("required", ()))
    parts.extend(_nested(20, _any(value)) for value in schema.get("enum", ()))
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        parts.append(_nested(21, _nested(1, _schema(additional))))
    elif additional:
        parts.append(_nested(21, _flag(2)))
    if "type" in schema:
        parts.append(_nested(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(_nested(23, _nested(1, _schema(schema["items"]))))
    if "properties" in schema:
        members = b"".join(_nested(1, _named(name, _schema(item))) for name, item in schema["properties"].items())
        parts.append(_nested(25, members))
    parts.extend(
        _nested(31, _named(name, _any(value))) for name, value in schema.items() if name.startswith("x-kubernetes-")
    )
    return b"".join(parts)
