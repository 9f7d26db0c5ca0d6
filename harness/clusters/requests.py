"""Reads what a request is about from its path and its query, as an API server reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from harness.wasmbed.resources import kinds
from harness.wasmbed.resources.api import Resource

__all__ = ["ResourcePath", "boolean", "flag", "read_path"]

_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_KNOWN = {
    (each.group, each.plural): each.kind
    for each in (kinds.APPLICATION, kinds.CONFIG_MAP, kinds.CUSTOM_RESOURCE_DEFINITION, kinds.DEVICE, kinds.EVENT,
                 kinds.GATEWAY, kinds.LEASE, kinds.NAMESPACE, kinds.SECRET)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """A path that is about a resource; ``name`` is empty for all objects of a type."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str

    def resource(self, kind: str = "") -> Resource:
        """The resource type; ``kind`` is that of one that the platform does not use."""
        return Resource(self.group, self.version, self.plural, kind or _KNOWN.get((self.group, self.plural), ""))


def read_path(path: str) -> ResourcePath | None:
    """Read a path (apimachinery's ``RequestInfo``); None for one that is not about a resource (discovery,
    ``/version``). A path of the object of a namespace has that as its name, and no namespace."""
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    name, subresource = (*rest[1:3], "", "")[:2]
    return ResourcePath(group, version, rest[0], namespace, name, subresource)


def boolean(query: Mapping[str, str], name: str) -> bool | None:
    """A boolean option, None where it is absent.

    ``0`` and ``false``, in any case, are false; all else is true, the empty text and ``no`` too
    (``runtime.Convert_Slice_string_To_bool``).
    """
    text = query.get(name)
    return None if text is None else text != "0" and text.lower() != "false"


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean option that is false where it is absent."""
    return bool(boolean(query, name))
