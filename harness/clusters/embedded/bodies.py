"""Reading the body of a request, in the media types that the API server takes."""

from __future__ import annotations

from typing import Any

import orjson

from harness.clusters.embedded.apply import APPLY_PATCH
from harness.clusters.embedded.budget import OutOfBudget
from harness.clusters.embedded.errors import StatusError, bad_request, unsupported_media_type
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from harness.clusters.embedded.protobuf import PROTOBUF, decode
from harness.clusters.embedded.values import NESTING_LIMIT, is_too_deep
from harness.clusters.embedded.yaml_reader import read_yaml

__all__ = ["media_type", "read_body"]

_JSON = "application/json"
_YAML = "application/yaml"
_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def media_type(request: Request) -> str:
    """The body's media type, JSON where none is named."""
    return request.headers.get("content-type", _JSON).partition(";")[0].strip().lower() or _JSON


def read_body(request: Request, limit: int) -> Any:
    """The body as a JSON value, None where it is empty. Raises the refusals 400, 413 and 415."""
    body, media = request.body, media_type(request)
    if request.method == "PATCH" and media not in _PATCHES:
        raise unsupported_media_type(_PATCHES)
    if not isinstance(body, bytes):
        return body
    if len(body) > limit:
        message = f"Request entity too large: limit is {limit}"
        raise StatusError(413, "RequestEntityTooLarge", message)
    if not body:
        return None
    if media == PROTOBUF:
        return decode(body)
    if media in (_YAML, APPLY_PATCH):
        return _read_yaml(body)
    if media != _JSON and media not in _PATCHES:
        raise unsupported_media_type((_JSON, _YAML, PROTOBUF))
    return _checked(_read_json(body), body)


def _read_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _checked(value: Any, body: bytes) -> Any:
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > NESTING_LIMIT and is_too_deep(value):
        raise bad_request(f"exceeded max depth: the body is nested more than {NESTING_LIMIT} times")
    return value


def _read_yaml(body: bytes) -> Any:
    try:
        return _checked(orjson.loads(body), body)
    except orjson.JSONDecodeError:
        pass
    try:
        return read_yaml(body)
    except ValueError as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    except OutOfBudget as error:
        message = "Request entity too large: the YAML has more values than one request may"
        raise StatusError(413, "RequestEntityTooLarge", message) from error
