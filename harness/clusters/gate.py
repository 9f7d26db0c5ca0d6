"""What a stack puts before the requests of a client that come over a socket: failures, delays, ends of watches."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, CONFIG_MAP, DEVICE, EVENT, GATEWAY, LEASE, SECRET

__all__ = ["Asked", "Gate", "Watching", "read_request"]

_RESOURCES = {
    (resource.group, resource.plural): resource
    for resource in (APPLICATION, CONFIG_MAP, DEVICE, EVENT, GATEWAY, LEASE, SECRET)
}
_VERBS = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


class Watching(Protocol):
    """An open watch."""

    @property
    def ends_with(self) -> int | None:
        """None while it goes on; 0 to end before its next event; an HTTP code to end with that error."""


class Gate(Protocol):
    """Asked before each request of a client."""

    async def enter(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """Return when the request may go on. Raises ApiError to refuse it, OSError as if there was no server."""

    def watching(self, client: str, resource: Resource) -> AbstractContextManager[Watching]:
        """Inside, the client watches."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the words of :class:`~harness.wasmbed.resources.api.ResourceApi`; ``name`` is empty for a list."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str


def read_request(method: str, path: str, query: Mapping[str, str]) -> Asked | None:
    """Read a request's first line; None for a path that is not one of the platform's resources."""
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = _RESOURCES.get((group, rest[0]))
    if resource is None:
        return None
    name, subresource = (*rest[1:3], "", "")[:2]
    verb = _VERBS.get(method) or ("get" if name else "watch" if query.get("watch") in ("true", "1") else "list")
    if verb == "patch" and subresource == "status":
        verb = "patch_status"
    return Asked(verb, resource, namespace, name, subresource)
