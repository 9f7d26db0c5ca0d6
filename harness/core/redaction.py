"""Replaces secrets by marks before an event is recorded. Whether a field is a secret depends on its kind.

Equal secrets have equal marks, so that judges and people can still compare them. The key of the marks is not recorded,
so that a reader of a history cannot guess a password and compare its mark.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LAST_APPLIED", "Redaction"]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which ``kubectl apply`` keeps the whole object, as JSON."""
_EVERY = "*"
_ANNOTATION = ("metadata", "annotations", LAST_APPLIED)
_BASE64 = ("data", _EVERY)
_FIELDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "Secret": (_BASE64, ("stringData", _EVERY)),
    "TokenReview": (("spec", "token"),),
    "TokenRequest": (("status", "token"),),
    "ServiceAccount": (("status", "token"),),
    "EnrollmentRequest": (("pairingToken",),),
    "DeployApplication": (("token",),),
    "StopApplication": (("token",),),
    "RequestRefused": (("token",),),
    "RequestUnanswered": (("token",),),
    "token": (("token",),),
}
"""Where secrets are, by the kind of an object or a message. TokenRequests are recorded as their ServiceAccount's."""
_ENVIRONMENTS: Mapping[str, tuple[str, ...]] = {
    "Application": ("spec", "config", "env"),
    "DeployApplication": ("wanted", "environment"),
    "RequestUnanswered": ("wanted", "environment"),
    "Deploy": ("environment",),
}
"""Paths of environment variables, by kind. Each of them may be a secret, whatever its name."""
_KINDS = _FIELDS.keys() | _ENVIRONMENTS.keys()
"""Kinds that have secrets outside the metadata."""


class Redaction:
    """Replaces secrets in the data of events."""

    def __init__(self, key: bytes) -> None:
        """``key``: random bytes, different for each run."""
        self._key = key

    def mark(self, secret: str | bytes) -> str:
        """The mark of ``secret``, the same throughout a run; empty for an empty secret."""
        value = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
        return f"(secret {hmac.digest(self._key, value, 'sha256').hex()[:8]})" if value else ""

    def redact(self, name: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The data of an event of that ``name`` (``EnrollmentRequest``, ``PATCH Secret``) without its secrets."""
        kind = name.rpartition(" ")[2]
        if kind not in _KINDS and "metadata" not in data and "operations" not in data:
            return data
        redacted: Mapping[str, Any] = self._object(kind, data)
        if isinstance(operations := data.get("operations"), list):
            redacted = {**redacted, "operations": [self._operation(kind, each) for each in operations]}
        return redacted

    def _object(self, kind: str, value: Any) -> Any:
        for path in _FIELDS.get(kind, ()):
            value = _replaced(value, path, self._mark_base64 if path == _BASE64 else self._mark_value)
        if kind in _ENVIRONMENTS:
            value = _replaced(value, _ENVIRONMENTS[kind], self._mark_value)
        return _replaced(value, _ANNOTATION, lambda text: self._last_applied(kind, text))

    def _operation(self, kind: str, operation: Any) -> Any:
        """An operation of a JSON patch (RFC 6902). Its value is redacted by its path."""
        if not isinstance(operation, Mapping):
            return self._mark_value(operation) if kind in _FIELDS else operation
        if not {"path", "value"} <= operation.keys():
            return operation
        keys = [part.replace("~1", "/").replace("~0", "~") for part in str(operation["path"]).split("/")[1:]]
        whole = operation["value"]
        for key in reversed(keys):
            whole = {key: whole}
        whole = self._object(kind, whole)
        for key in keys:
            whole = whole[key] if isinstance(whole, Mapping) else whole
        return {**operation, "value": whole}

    def _mark_value(self, value: Any) -> Any:
        """A value of any type with marks in place of its texts and numbers."""
        if isinstance(value, Mapping):
            return {key: self._mark_value(item) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return [self._mark_value(item) for item in value]
        return value if value is None else self.mark(value if isinstance(value, str | bytes) else str(value))

    def _mark_base64(self, value: Any) -> Any:
        """As :meth:`_mark_value`, but with the mark of the decoded bytes."""
        if isinstance(value, str):
            try:
                return self.mark(base64.b64decode(value, validate=True))
            except (binascii.Error, ValueError):
                pass
        return self._mark_value(value)

    def _last_applied(self, kind: str, text: Any) -> Any:
        if kind not in _FIELDS and kind not in _ENVIRONMENTS:
            return text
        try:
            return json.dumps(self._object(kind, json.loads(text)), separators=(",", ":"))
        except (TypeError, ValueError):
            return self._mark_value(text)


def _replaced(value: Any, path: tuple[str, ...], replace: Any) -> Any:
    """A copy of ``value`` with the part at ``path`` replaced, if there is one. Shares the other parts."""
    if not path:
        return replace(value)
    if not isinstance(value, Mapping):
        # The members are missing and another value is in their place: all of it may be the secret.
        return replace(value) if path == (_EVERY,) and value is not None else value
    if path[0] == _EVERY:
        return {key: _replaced(item, path[1:], replace) for key, item in value.items()}
    if path[0] not in value:
        return value
    return {**value, path[0]: _replaced(value[path[0]], path[1:], replace)}
