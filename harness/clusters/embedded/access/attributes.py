"""The target of a request, as roles name it: a verb on a resource, or on a path."""

from __future__ import annotations

from dataclasses import dataclass

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.messages import Request
from harness.clusters.requests import flag, read_path

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
    about = read_path(request.path)
    if about is None:
        return Attributes(request.method.lower(), path=request.path)
    verb, name = _VERBS.get(request.method, ""), about.name
    namespace = name if about.plural == "namespaces" and not about.namespace else about.namespace
    if not name:
        verb = _OF_MANY.get(verb, verb)
        if verb == "list" and flag(request.query, "watch"):
            verb = "watch"
        if verb != "create":
            name = _selected(request.query.get("fieldSelector", ""))
    return Attributes(verb, about.group, about.version, about.plural, about.subresource, namespace, name)


def _selected(selector: str) -> str:
    """The name that a field selector asks for."""
    for clause in selector.split(","):
        field, _, value = clause.partition("=")
        if field == "metadata.name":
            return value.removeprefix("=")
    return ""
