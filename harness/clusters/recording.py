"""Records what crosses the API server's boundary, in the form of the contract in :mod:`harness.clusters.cluster`."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from harness.clusters.mapping import CORRELATED
from harness.core.history import Tap
from harness.core.order import Order, Put
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.names import GROUP

__all__ = ["RequestRecorder"]

_SERVER = "Kubernetes"
_TEXT_LIMIT = 1024
_PARTS = ("metadata", "spec", "status")
_REMEMBERED = 65_536
"""Pairs of an object and a client whose last recorded version is remembered."""


class RequestRecorder:
    """A tap on the API server's boundary."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.order: Order = getattr(tap, "order", None) or Order()
        """The order of all reports: the tap's, if others report into the same record."""
        self._groups: frozenset[str] = getattr(tap, "groups", None) or frozenset((GROUP,))
        self._recorded: OrderedDict[tuple[str, str, str, str], str] = OrderedDict()

    def request(
        self,
        client: str,
        method: str,
        kind: str,
        *,
        group: str,
        namespace: str,
        name: str,
        subresource: str = "",
        code: int,
        body: Any,
        put: Put | None = None,
    ) -> None:
        """Record a request that changes something, with the HTTP status of its answer; a JSON patch as it is.

        ``put`` is its place in the order, if not the end.
        """
        data: Object = {"code": code, "namespace": namespace, "name": name, "subresource": subresource}
        if isinstance(body, dict):
            data.update({part: _short(body[part]) for part in _PARTS if part in body})
        elif isinstance(body, list):
            data["operations"] = _short(body)
        correlation = _correlation(group, kind, name)
        (put or self.order.put)(lambda: self._tap(client, _SERVER, f"{method} {kind}", data, correlation))

    def records_watches_of(self, group: str) -> bool:
        """Whether watch events of this group are recorded."""
        return group in self._groups

    def delivery(self, client: str, change: str, kind: str, stored: Object) -> None:
        """Record a watch event that reached ``client``; once if it has several watches."""
        metadata = stored["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if not self._is_news((client, kind, namespace, name), metadata["resourceVersion"]):
            return
        data = {"namespace": namespace, "name": name, "status": stored.get("status", {})}
        correlation = _correlation(GROUP, kind, name)
        self.order.put(lambda: self._tap(_SERVER, client, f"{change} {kind}", data, correlation))

    def _is_news(self, key: tuple[str, str, str, str], version: str) -> bool:
        recorded = self._recorded.get(key)
        if recorded == version or (recorded is not None and _is_older(version, recorded)):
            return False
        self._recorded[key] = version
        self._recorded.move_to_end(key)
        if len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)
        return True


def _is_older(version: str, recorded: str) -> bool:
    """Compare resourceVersions that are numbers (KEP-5504)."""
    return version.isdigit() and recorded.isdigit() and int(version) < int(recorded)


def _correlation(group: str, kind: str, name: str) -> str:
    return name if group == GROUP and kind in CORRELATED else ""


def _short(value: Any) -> Any:
    """Return a copy with long texts replaced by size and digest."""
    if type(value) is dict:
        return {name: _short(item) for name, item in value.items()}
    if type(value) is list:
        return [_short(item) for item in value]
    if type(value) is str and len(value) > _TEXT_LIMIT:
        data = value.encode()
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return value
