"""Every refusal of the server is one of these: an exception that is a Status (Kubernetes API conventions).

The messages are those of Kubernetes, because people and programs read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = [
    "Cause",
    "StatusError",
    "already_exists",
    "bad_request",
    "conflict",
    "duplicate",
    "expired",
    "forbidden",
    "forbidden_field",
    "invalid",
    "invalid_value",
    "method_not_allowed",
    "no_such_path",
    "not_found",
    "not_supported",
    "required",
    "show",
    "too_long",
    "too_many",
    "type_invalid",
    "unsupported_media_type",
    "unsupported_value",
]

_IN_OBJECTS = {ord(one): f"\\u{ord(one):04x}" for one in "<>&"}
"""Go escapes these in the JSON of objects and lists."""
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class StatusError(Exception):
    """The request was understood and refused, or not understood: what the client gets instead of its answer."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details = details
        self.headers = headers or {}

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = {key: value for key, value in self.details.items() if value}
        status["code"] = self.code
        return status


@dataclass(frozen=True, slots=True)
class Cause:
    """A fault of one field of an object."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def show(value: object) -> str:
    """A value as Kubernetes' messages print it."""
    text = orjson.dumps(value).decode()
    return text.translate(_IN_OBJECTS) if isinstance(value, dict | list) else text


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def invalid_value(field: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueInvalid", field, f"Invalid value: {show(value)}: {detail}")


def type_invalid(field: str, value: object, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", field, f"Invalid value: {show(value)}: {detail}")


def unsupported_value(field: str, value: object, supported: Iterable[object]) -> Cause:
    listed = ", ".join(show(item if isinstance(item, str) else show(item)) for item in supported)
    return Cause("FieldValueNotSupported", field, f"Unsupported value: {show(value)}: supported values: {listed}")


def forbidden_field(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", field, f"Too long: may not be more than {limit} byte{'s' * (limit != 1)}")


def too_many(field: str, count: int, limit: int) -> Cause:
    unit = "item" if limit == 1 else "items"
    return Cause("FieldValueTooMany", field, f"Too many: {count}: must have at most {limit} {unit}")


def duplicate(field: str, value: object) -> Cause:
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {show(value)}")


def qualified(group: str, name: str) -> str:
    """A plural or a kind with its group, as messages name it."""
    return f"{name}.{group}" if group else name


def not_found(group: str, plural: str, name: str) -> StatusError:
    details = {"name": name, "group": group, "kind": plural}
    return StatusError(404, "NotFound", f'{qualified(group, plural)} "{name}" not found', details)


def no_such_path() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(group: str, plural: str, name: str) -> StatusError:
    details = {"name": name, "group": group, "kind": plural}
    return StatusError(409, "AlreadyExists", f'{qualified(group, plural)} "{name}" already exists', details)


def conflict(group: str, plural: str, name: str, why: str = MODIFIED) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return StatusError(409, "Conflict", message, {"name": name, "group": group, "kind": plural})


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> StatusError:
    listed = list(dict.fromkeys(map(str, causes)))
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    details = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes],
    }
    return StatusError(422, "Invalid", f'{qualified(group, kind)} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def forbidden(
    group: str,
    plural: str,
    name: str,
    why: str,
    causes: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> StatusError:
    details = {"name": name, "group": group, "kind": plural, "causes": list(causes)}
    what = f'{qualified(group, plural)} "{name}"' if name else qualified(group, plural)
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", details, headers)


def not_supported(verb: str, group: str, plural: str) -> StatusError:
    """The refusal of a verb that a subresource of a custom resource lacks."""
    message = f'{verb} is not supported on resources of kind "{qualified(group, plural)}"'
    return StatusError(405, "MethodNotAllowed", message, {"group": group, "kind": plural})


def method_not_allowed(allowed: Iterable[str] = ()) -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {}, {"Allow": ", ".join(allowed)})


def unsupported_media_type(accepted: Iterable[str]) -> StatusError:
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return StatusError(415, "UnsupportedMediaType", message)
