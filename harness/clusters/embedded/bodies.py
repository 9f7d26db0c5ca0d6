"""Reading the body of a request, in the media types that the API server takes."""

from __future__ import annotations

from typing import Any

import orjson

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.budget import OutOfBudget
from harness.clusters.embedded.errors import StatusError, bad_request, unsupported_media_type
from harness.clusters.embedded.go_json import BadJson, read_json
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
        return _read_yaml(request, body, kind, custom=custom)
    if media != _JSON and media not in _PATCHES:
        raise unsupported_media_type((_JSON, _YAML, PROTOBUF))
    try:
        value = read_json(body)
    except BadJson as error:
        if request.method == "PATCH":
            raise bad_request(f"error decoding patch: {error}") from error
        raise unrecognized(request.method, kind, str(error), body) from error
    if request.method != "PATCH":
        value = _as_object(request.method, value, body, kind, custom=custom)
    return _checked(value, body)


def _as_object(method: str, value: Any, body: bytes, kind: str, *, custom: bool) -> Any:
    """A value where an object is wanted: for built-in kinds null is one without members. Raises the 400 refusal."""
    if type(value) is dict:
        return value
    if value is not None:
        problem = f"json: cannot unmarshal {JSON_TYPES[type(value)]} into Go value of type {_HEAD}"
        raise unrecognized(method, kind, problem, body)
    if method == "DELETE":
        return None
    if custom:
        missing = f"Object 'Kind' is missing in 'null' ({_summary(body)})"
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): {missing}")
    return {}


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


def _read_yaml(request: Request, body: bytes, kind: str, *, custom: bool) -> Any:
    applied = request.method == "PATCH"
    try:
        value = _yaml_value(body)
    except ValueError as error:
        if applied:
            raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {error}") from error
        start = f"the object provided is unrecognized (must be of type {kind}): yaml: "
        raise bad_request(f"{start}{error} ({_summary(body)})") from error
    except OutOfBudget as error:
        message = "Request entity too large: the YAML has more values than one request may"
        raise StatusError(413, "RequestEntityTooLarge", message) from error
    if not applied:
        return _as_object(request.method, value, body, kind, custom=custom)
    if value is None:
        raise bad_request("invalid object type: /, Kind=")
    if type(value) is not dict:
        problem = f"json: cannot unmarshal {JSON_TYPES[type(value)]} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {problem}")
    return value


def _yaml_value(body: bytes) -> Any:
    """The value of a body in YAML; most are JSON. Raises :class:`ValueError` and :class:`OutOfBudget`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return read_yaml(body)
    return _checked(value, body)
