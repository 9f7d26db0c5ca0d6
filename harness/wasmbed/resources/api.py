"""The port through which the platform reaches Kubernetes.

Objects are plain dictionaries in their JSON form. Adapters translate; nothing above this module knows which one it
has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "ApiError",
    "Conflict",
    "Gone",
    "Invalid",
    "NotFound",
    "Resource",
    "ResourceApi",
    "ResourceList",
    "WatchEvent",
    "api_error",
]

Object = dict[str, Any]
"""A Kubernetes object in its JSON form."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource type: its group (empty for the core group), version, plural and kind."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class ResourceList:
    """A list's items, and the resourceVersion to start a watch from."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. A ``BOOKMARK``'s object carries only a resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class ApiError(Exception):
    """The API server's answer was a Status with ``status: Failure`` (Kubernetes API conventions)."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self.status = status
        self.code = int(status.get("code") or 500)
        self.reason = str(status.get("reason") or "")
        super().__init__(str(status.get("message") or self.reason))


class NotFound(ApiError):
    """404: no such object."""


class Conflict(ApiError):
    """409: the object was changed in between (``Conflict``), or exists already (``AlreadyExists``)."""


class Gone(ApiError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks its schema; ``status["details"]["causes"]`` names the fields."""


def api_error(status: Mapping[str, Any]) -> ApiError:
    """The exception that fits a Status object."""
    kinds: dict[int, type[ApiError]] = {404: NotFound, 409: Conflict, 410: Gone, 422: Invalid}
    return kinds.get(int(status.get("code") or 500), ApiError)(status)


class ResourceApi(ABC):
    """CRUD, status, and watch in one namespace's view of the API server.

    Every method raises one of the :class:`ApiError` family when the server refuses, and :class:`OSError` when it
    cannot be reached.
    """

    namespace: str

    @abstractmethod
    async def get(self, resource: Resource, name: str) -> Object: ...

    @abstractmethod
    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList: ...

    @abstractmethod
    async def create(self, resource: Resource, body: Object) -> Object: ...

    @abstractmethod
    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        """PUT; with a ``metadata.resourceVersion`` in ``body`` it raises :class:`Conflict` if that is not current."""

    @abstractmethod
    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        """JSON merge patch (RFC 7386) of everything but the status."""

    @abstractmethod
    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        """JSON merge patch through the status subresource: ``{"status": {...}}``; a resourceVersion in
        ``metadata`` makes it conditional."""

    @abstractmethod
    async def delete(
        self, resource: Resource, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        """Delete; ``uid`` and ``resource_version`` are preconditions (:class:`Conflict` where they do not hold)."""

    @abstractmethod
    def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Changes after ``resource_version``, in order, with bookmarks.

        The iterator ends when the server closes the watch (go on from the last resourceVersion seen), and raises
        :class:`Gone` when that version is no longer kept (list again).
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""
