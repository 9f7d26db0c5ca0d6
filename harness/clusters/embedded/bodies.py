"""Reading the body of a request, in the media types that the API server takes."""

from __future__ import annotations

from typing import Any

import orjson

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.budget import OutOfBudget
from harness.clusters.embedded.errors import StatusError, bad_request, unsupported_media_type
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.patches import JSON_PATCH, JSON_TYPES, MERGE_PATCH, STRATEGIC_PATCH
from harness.clusters.embedded.protobuf import PROTOBUF, decode
from harness.clusters.embedded.values import NESTING_LIMIT, is_too_deep
from harness.clusters.embedded.yaml_reader import read_yaml

__all__ = ["media_type", "read_body"]

_JSON = "application/json"
_YAML = "application/yaml"
_SUMMARY = 30
"""Bytes of a body that a message shows."""
_HEAD = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def media_type(request: Request) -> str:
    """The body's media type, JSON where none is named."""
    return request.headers.get("content-type", _JSON).partition(";")[0].strip().lower() or _JSON


def read_body(request: Request, limit: int, kind: str, *, custom: bool = False) -> Any:
    """The body as a JSON value, None where there is none. Raises the refusals 400, 413 and 415.

    ``kind``: what the body has to be, for messages. ``custom``: a kind that knows no strategic merge patch.
    """
    body, media = request.body, media_type(request)
    if request.method == "PATCH" and media not in _PATCHES:
        if not custom:
            raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        raise unsupported_media_type(tuple(one for one in _PATCHES if one != STRATEGIC_PATCH))
    if not isinstance(body, bytes):
        return body
    if len(body) > limit:
        message = f"Request entity too large: limit is {limit}"
        raise StatusError(413, "RequestEntityTooLarge", message)
    if not body and request.method == "DELETE":
        return None
    if media == PROTOBUF:
        return _read_protobuf(body, kind)
    if media in (_YAML, APPLY_PATCH):
        return _read_yaml(body, kind)
    if media != _JSON and media not in _PATCHES:
        raise unsupported_media_type((_JSON, _YAML, PROTOBUF))
    return _checked(_read_json(request, body, kind), body)


def _read_json(request: Request, body: bytes, kind: str) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = _go_problem(body, error)
        if request.method == "PATCH":
            raise bad_request(f"error decoding patch: {problem}") from error
        raise unrecognized(request.method, kind, problem, body) from error
    if type(value) is not dict and request.method != "PATCH":
        what = JSON_TYPES[type(value)]
        raise unrecognized(request.method, kind, f"json: cannot unmarshal {what} into Go value of type {_HEAD}", body)
    return value


def unrecognized(method: str, kind: str, problem: str, body: bytes) -> StatusError:
    """The 400 refusal of a body that is not an object."""
    problem = f"couldn't get version/kind; json parse error: {problem}"
    if method == "DELETE":
        return bad_request(problem)
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {problem} ({_summary(body)})")


def _summary(body: bytes) -> str:
    """The beginning of a body, as text if it looks like an object, else in hex."""
    if not body:
        return "<empty>"
    more = " ..." * (len(body) > _SUMMARY)
    start = body[:_SUMMARY]
    return (start.decode("utf-8", "replace") if body[:1] == b"{" else start.hex()) + more


def _go_problem(body: bytes, error: orjson.JSONDecodeError) -> str:
    """Return the message of Go's parser, which is the end of the body or a character."""
    if error.pos >= len(body.decode("utf-8", "replace").rstrip()):
        return "unexpected end of JSON input"
    character = body.decode("utf-8", "replace")[error.pos]
    return f"invalid character {character!r} looking for beginning of value"


def _checked(value: Any, body: bytes) -> Any:
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > NESTING_LIMIT and is_too_deep(value):
        raise bad_request(f"exceeded max depth: the body is nested more than {NESTING_LIMIT} times")
    return value


def _read_protobuf(body: bytes, kind: str) -> Any:
    try:
        return decode(body)
    except ValueError as error:
        start = f"the object provided is unrecognized (must be of type {kind}): "
        raise bad_request(f"{start}{error} ({_summary(body)})") from error


def _read_yaml(body: bytes, kind: str) -> Any:
    try:
        return _checked(orjson.loads(body), body)
    except orjson.JSONDecodeError:
        pass
    try:
        return read_yaml(body)
    except ValueError as error:
        start = f"the object provided is unrecognized (must be of type {kind}): yaml: "
        raise bad_request(f"{start}{error} ({_summary(body)})") from error
    except OutOfBudget as error:
        message = "Request entity too large: the YAML has more values than one request may"
        raise StatusError(413, "RequestEntityTooLarge", message) from error
