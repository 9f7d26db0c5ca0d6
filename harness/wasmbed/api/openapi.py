"""The OpenAPI 3.1 document, made of the operations that the router serves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from harness.wasmbed.api.forms import LONGEST_NAME, NAME
from harness.wasmbed.api.operation import NoQuery, Operation
from harness.wasmbed.api.problems import MEDIA_TYPE, ProblemBody
from harness.wasmbed.api.routing import LONGEST_HEADER

__all__ = ["document"]

_ALWAYS = {
    400: "The request is not well-formed.",
    401: "A bearer token is needed, or the one that came is not valid.",
    403: "The caller has not got the right.",
    429: "The caller asks too often.",
    503: "The cluster is away: try again.",
}
_MORE = {
    404: "There is no such object.",
    409: "Something else is in the way.",
    412: "The object has not got the version of If-Match any more.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The body, the query or a name does not fit.",
    502: "The service behind this one answers with something else.",
}
_OBJECT_PATH = re.compile(r"\{(\w+)\}")
_PROBLEM = "problem"
_REFERENCE = "#/components/schemas/{model}"


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Return the document; ``version`` is the platform's."""
    served = list(operations)
    answers, shared = TypeAdapter.json_schemas(
        [
            (_PROBLEM, "serialization", TypeAdapter(ProblemBody)),
            *((each.name, "serialization", TypeAdapter(each.answer)) for each in served if each.answer is not None),
        ],
        ref_template=_REFERENCE,
    )
    schemas: dict[str, Any] = dict(shared.get("$defs", {}))
    bodies = sorted({each.body for each in served if each.body is not None}, key=lambda body: body.__name__)
    named, shared = models_json_schema([(body, "validation") for body in bodies], ref_template=_REFERENCE)
    schemas.update(shared.get("$defs", {}))
    paths: dict[str, Any] = {}
    for each in served:
        answer = answers.get((each.name, "serialization"))
        described = _describe(each, answer, answers[_PROBLEM, "serialization"])
        if each.body is not None:
            content = {"application/json": {"schema": named[each.body, "validation"]}}
            required = any(field.is_required() for field in each.body.model_fields.values())
            described["requestBody"] = {"content": content, "required": required}
        paths.setdefault(each.path, {})[each.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wasmbed",
            "version": version,
            "description": "Devices, applications and gateways of the Wasmbed platform.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(operation: Operation, answer: Any, problem: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.media_type == "application/json":
        shown["content"] = {operation.media_type: {"schema": answer}}
    else:
        shown["content"] = {operation.media_type: {}}
    problems = {code: text for code, text in _ALWAYS.items() if operation.right is not None or code in (400, 503)}
    problems |= {code: _MORE[code] for code in operation.refusals}
    parameters = [_path_parameter(name) for name in _OBJECT_PATH.findall(operation.path)]
    if operation.query is not NoQuery:
        parameters += _query_parameters(operation)
    if parameters or operation.body is not None:
        problems[422] = _MORE[422]
    if operation.body is not None:
        problems |= {code: _MORE[code] for code in (413, 415)}
    if 412 in operation.refusals:
        parameters.append(_header("If-Match", "Only if the object has this version (ETag)."))
    if operation.method == "POST" and operation.changes:
        problems[409] = _MORE[409]
        parameters.append(_header("Idempotency-Key", "The same key gets the same answer, and nothing happens twice."))
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            str(operation.status): shown,
            **{
                str(code): {"description": text, "content": {MEDIA_TYPE: {"schema": problem}}}
                for code, text in sorted(problems.items())
            },
        },
    }
    if parameters:
        described["parameters"] = parameters
    if operation.right is not None:
        described["security"] = [{"token": []}]
        described["x-wasmbed-right"] = str(operation.right)
    if operation.tag:
        described["tags"] = [operation.tag]
    return described


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": NAME, "maxLength": LONGEST_NAME}
    return {"name": name, "in": "path", "required": True, "description": "The resource's name.", "schema": schema}


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema()
    definitions = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": each.pop("description", ""),
            "schema": _inline(each, definitions),
        }
        for name, each in schema["properties"].items()
    ]


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a parameter's schema: an absent parameter is not null, and types are written where they are used."""
    if isinstance(schema, list):
        return [_inline(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        choices = [each for each in schema["anyOf"] if each.get("type") != "null"]
        if len(choices) == 1:
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
            return _inline({**rest, **choices[0]}, definitions)
    return {
        key: _inline(value, definitions) for key, value in schema.items() if not (key == "default" and value is None)
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "maxLength": LONGEST_HEADER},
    }
