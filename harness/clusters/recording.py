"""What every cluster kind tells its tap, in the words of the contract in :mod:`harness.clusters.cluster`."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from harness.core.history import Tap
from harness.core.order import Order, Put
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.names import GROUP

__all__ = ["RequestRecorder"]

_SERVER = "Kubernetes"
_TEXT_LIMIT = 1024
_PARTS = ("metadata", "spec", "status")
_CORRELATED = ("Device", "Application")
_REMEMBERED = 65_536
"""Pairs of an object and a client whose last recorded version is remembered."""


class RequestRecorder:
    """A tap on the API server's boundary."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.order: Order = getattr(tap, "order", None) or Order()
        """In which everything is told: the tap's own, where others tell into the same record."""
        self._told: OrderedDict[tuple[str, str, str, str], str] = OrderedDict()

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
        """A request that changes something, with the HTTP status of its answer. A JSON patch is told as it is.

        ``put`` is where in the order it belongs, if not at its end.
        """
        data: Object = {"code": code, "namespace": namespace, "name": name, "subresource": subresource}
        if isinstance(body, dict):
            data.update({part: _short(body[part]) for part in _PARTS if part in body})
        elif isinstance(body, list):
            data["operations"] = _short(body)
        correlation = _correlation(group, kind, name)
        (put or self.order.put)(lambda: self._tap(client, _SERVER, f"{method} {kind}", data, correlation))

    @staticmethod
    def tells_watches_of(group: str) -> bool:
        """Whether watch deliveries of a group's types are told."""
        return group == GROUP

    def delivery(self, client: str, change: str, kind: str, stored: Object) -> None:
        """A watch event that reached ``client``; if it has several watches, once."""
        metadata = stored["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if not self._is_news((client, kind, namespace, name), metadata["resourceVersion"]):
            return
        data = {"namespace": namespace, "name": name, "status": stored.get("status", {})}
        correlation = _correlation(GROUP, kind, name)
        self.order.put(lambda: self._tap(_SERVER, client, f"{change} {kind}", data, correlation))

    def _is_news(self, key: tuple[str, str, str, str], version: str) -> bool:
        told = self._told.get(key)
        if told == version or (told is not None and _is_older(version, told)):
            return False
        self._told[key] = version
        self._told.move_to_end(key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def _is_older(version: str, told: str) -> bool:
    """By resourceVersions, where they are numbers (KEP-5504)."""
    return version.isdigit() and told.isdigit() and int(version) < int(told)


def _correlation(group: str, kind: str, name: str) -> str:
    return name if group == GROUP and kind in _CORRELATED else ""


def _short(value: Any) -> Any:
    """A copy in which long texts, such as modules, are told by size and digest only."""
    if type(value) is dict:
        return {name: _short(item) for name, item in value.items()}
    if type(value) is list:
        return [_short(item) for item in value]
    if type(value) is str and len(value) > _TEXT_LIMIT:
        data = value.encode()
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return value
