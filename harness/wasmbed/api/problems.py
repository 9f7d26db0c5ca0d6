"""Refusals as problem details (RFC 9457): what happened, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from harness.wasmbed.api.forms import FORMS
from harness.wasmbed.resources.api import ApiError

__all__ = ["MEDIA_TYPE", "FieldProblem", "Problem", "ProblemBody", "of_api_error", "of_validation"]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 2
"""Seconds after which a client may try again while the cluster is away."""
_FIELDS = 20
"""Fields that one answer names, at most."""


class FieldProblem(TypedDict):
    """A field that does not fit."""

    field: Annotated[str, Field(description="The place, as a path: config.fuel.")]
    detail: str


class ProblemBody(TypedDict):
    """RFC 9457, with the fields that do not fit."""

    type: Annotated[str, Field(description="Always about:blank: the status says which problem it is.")]
    title: str
    status: int
    detail: str
    errors: list[FieldProblem]


class Problem(Exception):
    """A request that is refused. ``headers`` go with the answer; ``members`` are further fields of its body (RFC 9457,
    3.2)."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, tuple(errors), dict(headers or {})
        self.members = dict(members or {})

    def response(self) -> web.Response:
        """Return the answer."""
        body: ProblemBody = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": list(self.errors),
        }
        return web.Response(
            body=orjson.dumps({**self.members, **body}),
            status=self.status,
            content_type=MEDIA_TYPE,
            headers=self.headers,
        )


def of_validation(error: ValidationError, what: str) -> Problem:
    """Return the refusal of a body or query that does not fit its type: 422, with the fields."""
    found: list[FieldProblem] = [
        {"field": _path(each["loc"]), "detail": _for_people(each)} for each in error.errors()[:_FIELDS]
    ]
    more = f", and {error.error_count() - _FIELDS} more" if error.error_count() > _FIELDS else ""
    first = f"{found[0]['field']}: {found[0]['detail']}" if found[0]["field"] else found[0]["detail"]
    return Problem(422, f"the {what} does not fit: {first}{more}", found)


def of_api_error(error: ApiError | OSError) -> Problem:
    """Return what the Kubernetes API server's refusal, or its absence, means to the caller."""
    if isinstance(error, OSError):
        return _away(f"the Kubernetes API server cannot be reached: {error}")
    if error.code in (404, 409, 422):
        return Problem(error.code, str(error), _causes(error.status))
    if error.code == 403:
        return Problem(503, f"this API server has not got the right to do that: {error}")
    if error.code == 429 or error.code >= 500:
        return _away(f"the Kubernetes API server answered {error.code}: {error}")
    return Problem(400 if error.code == 400 else 502, f"the Kubernetes API server answered {error.code}: {error}")


def _for_people(found: ErrorDetails) -> str:
    if found["type"] == "extra_forbidden":
        return "there is no such field; /openapi.json has those that there are"
    return FORMS.get(found.get("ctx", {}).get("pattern", ""), found["msg"])


def _away(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


def _causes(status: Mapping[str, Any]) -> list[FieldProblem]:
    causes = (status.get("details") or {}).get("causes") or ()
    return [{"field": str(each.get("field", "")), "detail": str(each.get("message", ""))} for each in causes[:_FIELDS]]


def _path(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
