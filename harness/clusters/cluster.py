"""The contract of every cluster kind, and the tap on its requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ResourceApi

__all__ = ["Cluster", "ClusterFactory", "RequestTap"]

RequestTap = Callable[[str, str, str, dict[str, Any]], object]
"""Called as ``tap(source, target, name, data)`` for what crosses the API server's boundary.

Requests that change something: source is the client, target ``Kubernetes``, name ``POST Device``,
``PATCH Device``, ``PUT Lease``, ``DELETE Application``; data holds ``name``, ``namespace``, ``code``,
``subresource`` and the request's ``body``. Watch deliveries: source ``Kubernetes``, target the client, name
``ADDED Device`` and so on, data ``name``, ``namespace`` and ``object``.
"""


class Cluster(ABC):
    """A Kubernetes API for one test's world, with Wasmbed's CRDs installed and the namespace made."""

    kind: ClassVar[str]

    @classmethod
    def unavailable(cls) -> str | None:
        """Why this kind cannot run here, in one line that says how to get it; None where it can."""
        return None

    @abstractmethod
    async def start(self) -> None:
        """Bring the API up. Raises :class:`harness.core.errors.RigError` saying what to do when it cannot."""

    @abstractmethod
    async def stop(self) -> None:
        """Leave nothing behind. May be called after a failed :meth:`start`."""

    @abstractmethod
    def client(self, name: str) -> ResourceApi:
        """An API client that calls itself ``name`` (``Gateway``, ``DeviceController``, ``User``) in the record."""

    @abstractmethod
    async def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig with which ``kubectl`` reaches this cluster over a real socket."""


ClusterFactory = Callable[[Clock, Randomness, str, RequestTap], Cluster]
"""How a cluster kind is made: clock, randomness, namespace, tap."""
