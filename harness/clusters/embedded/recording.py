"""What the server tells a tap: requests that change something, and watch deliveries (see ``clusters/cluster.py``)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object
from harness.core.history import Tap

__all__ = ["Recorder", "client_of"]

_SERVER = "Kubernetes"
_TEXT_LIMIT = 1024
_PARTS = ("metadata", "spec", "status")


class Recorder:
    """A tap in the words of Kubernetes."""

    def __init__(self, tap: Tap, group: str) -> None:
        self._tap = tap
        self._group = group
        """The group whose watch deliveries are told, and whose objects correlate."""

    def request(
        self,
        request: Request,
        served: ResourceType,
        place: tuple[str, str, str],
        code: int,
        body: Any,
    ) -> None:
        """A request that changes something, with the answer's code. ``place``: namespace, name, subresource."""
        namespace, name, subresource = place
        data: Object = {"code": code, "namespace": namespace, "name": name, "subresource": subresource}
        if isinstance(body, dict):
            data.update({part: _short(body[part]) for part in _PARTS if part in body})
        elif isinstance(body, list):
            data["operations"] = _short(body)
        self._tap(request.client, _SERVER, f"{request.method} {served.kind}", data, self._correlation(served, name))

    def watch(self, client: str, served: ResourceType) -> Callable[[str, Object], object] | None:
        """What a watch of this type calls with each delivery, if it is one that is told."""
        if served.group != self._group:
            return None

        def delivered(kind: str, stored: Object) -> None:
            meta = stored["metadata"]
            name = meta["name"]
            data = {"namespace": meta.get("namespace", ""), "name": name, "status": stored.get("status", {})}
            self._tap(_SERVER, client, f"{kind} {served.kind}", data, self._correlation(served, name))

        return delivered

    def _correlation(self, served: ResourceType, name: str) -> str:
        return name if served.group == self._group and served.kind in ("Device", "Application") else ""


def _short(value: Any) -> Any:
    """A copy in which long texts, such as modules, are only told by size and digest."""
    if type(value) is dict:
        return {name: _short(item) for name, item in value.items()}
    if type(value) is list:
        return [_short(item) for item in value]
    if type(value) is str and len(value) > _TEXT_LIMIT:
        data = value.encode()
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return value


def client_of(user_agent: str) -> str:
    """Who an HTTP client is: the first word of what it calls itself; ``kubectl`` is the User."""
    word = user_agent.split("/", 1)[0].split(" ", 1)[0]
    return "User" if word.startswith("kubectl") or not word else word
