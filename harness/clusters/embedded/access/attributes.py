"""The target of a request, as roles name it: a verb on a resource, or on a path."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.query import flag

__all__ = ["Attributes", "attributes_of"]

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_MANY = {"get": "list", "delete": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Attributes:
    """A verb, and a resource or a path."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """Of a request that is about no resource."""

    @property
    def called(self) -> str:
        """The resource with its subresource."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def forbidden(self, user: str, why: str = "") -> StatusError:
        """The 403 refusal."""
        said = f'User "{user}" cannot {self.verb} '
        because = f": {why}" if why else ""
        if self.path:
            return StatusError(403, "Forbidden", f'forbidden: {said}path "{self.path}"{because}', {}, _SNIFF)
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        said += f'resource "{self.called}" in API group "{self.group}" {where}{because}'
        return errors.forbidden(self.group, self.resource, self.name, said, headers=_SNIFF)


_SNIFF = {"X-Content-Type-Options": "nosniff"}


def attributes_of(request: Request) -> Attributes:
    """The aim of a request (apimachinery's ``RequestInfo``)."""
    parts = [unquote(part) for part in request.path.split("/") if part]
    verb = _VERBS.get(request.method, "")
    start = {"api": 2, "apis": 3}.get(parts[0] if parts else "", 0)
    if not start or len(parts) <= start:
        return Attributes(request.method.lower(), path=request.path)
    group, version, rest = "" if start == 2 else parts[1], parts[start - 1], parts[start:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    if not name:
        verb = _OF_MANY.get(verb, verb)
        if verb == "list" and flag(request.query, "watch"):
            verb = "watch"
        if verb != "create":
            name = _selected(request.query.get("fieldSelector", ""))
    return Attributes(verb, group, version, rest[0], rest[2] if len(rest) > 2 else "", namespace, name)


def _selected(selector: str) -> str:
    """The name that a field selector asks for."""
    for clause in selector.split(","):
        field, _, value = clause.partition("=")
        if field == "metadata.name":
            return value.removeprefix("=")
    return ""
