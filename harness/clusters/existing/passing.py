"""Reads what another program asks an API server, and what that answers, from HTTP as it passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from harness.wasmbed.resources import kinds
from harness.wasmbed.resources.api import Object, Resource

__all__ = ["Asked", "EventLines", "metadata_of", "read_json", "read_path"]

_LINE_LIMIT = 16 << 20
"""Bytes of a watch event that are read to record it; a longer one passes unrecorded."""
_KNOWN = {
    (each.group, each.plural): each.kind
    for each in (kinds.DEVICE, kinds.APPLICATION, kinds.GATEWAY, kinds.SECRET, kinds.CONFIG_MAP, kinds.EVENT,
                 kinds.LEASE, kinds.NAMESPACE, kinds.CUSTOM_RESOURCE_DEFINITION)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a resource, read from its path."""

    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str

    def resource(self, *objects: Any) -> Resource:
        """The resource type; the kind of one that the platform does not use is read from the bodies."""
        kind = _KNOWN.get((self.group, self.plural), "")
        named = (each.get("kind") for each in objects if isinstance(each, dict))
        kind = kind or next((str(each) for each in named if each and each != "Status"), self.plural)
        return Resource(self.group, self.version, self.plural, kind)


class EventLines:
    """Finds the events, one JSON document a line, in a stream that passes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def push(self, piece: bytes) -> Iterator[Object]:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            whole, self._rest = bytes(self._rest) + line, bytearray()
            if not self._is_too_long and isinstance(event := read_json(whole), dict):
                yield event
            self._is_too_long = False
        self._rest += rest
        if len(self._rest) > _LINE_LIMIT:
            self._rest.clear()
            self._is_too_long = True


def read_path(path: str) -> Asked | None:
    """Read the path of a request for a resource; None for any other (discovery, ``/version``)."""
    parts = [unquote(part) for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    name, subresource = (*rest[1:3], "", "")[:2]
    return Asked(group, version, rest[0], namespace, name, subresource)


def read_json(data: bytes) -> Any:
    """The content of a body; None where it is in another encoding."""
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def metadata_of(stored: Any) -> Mapping[str, Any]:
    found = stored.get("metadata") if isinstance(stored, dict) else None
    return found if isinstance(found, dict) else {}
