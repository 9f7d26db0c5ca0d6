"""The port through which the platform reaches Kubernetes.

Objects are dictionaries in their JSON form. Callers do not know which adapter they use.
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
    """The items of a list, and the resourceVersion from which to watch."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. A ``BOOKMARK``'s object has only a resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class ApiError(Exception):
    """The API server answered with a Status of ``status: Failure`` (Kubernetes API conventions)."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        self.status = status
        self.code = int(status.get("code") or 500)
        self.reason = str(status.get("reason") or "")
        super().__init__(str(status.get("message") or self.reason))


class NotFound(ApiError):
    """404: the object does not exist."""


class Conflict(ApiError):
    """409: the object was changed in between (``Conflict``), or exists already (``AlreadyExists``)."""


class Gone(ApiError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks its schema; ``status["details"]["causes"]`` names the fields."""


def api_error(status: Mapping[str, Any]) -> ApiError:
    """Return the exception for a Status object."""
    kinds: dict[int, type[ApiError]] = {404: NotFound, 409: Conflict, 410: Gone, 422: Invalid}
    return kinds.get(int(status.get("code") or 500), ApiError)(status)


class ResourceApi(ABC):
    """CRUD, status, and watch in one namespace's view of the API server.

    Every method raises a subclass of :class:`ApiError` if the server refuses, and :class:`OSError` if it is
    unreachable.
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
        """Replace an object. Raises :class:`Conflict` if ``body`` has a resourceVersion that is not current."""

    @abstractmethod
    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        """Apply a JSON merge patch (RFC 7386) to everything but the status."""

    @abstractmethod
    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        """Apply a JSON merge patch through the status subresource: ``{"status": {...}}``; a resourceVersion in
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
        """Return the changes after ``resource_version``, in order, with bookmarks.

        The iterator ends when the server closes the watch: continue from the last resourceVersion seen. It raises
        :class:`Gone` when the server no longer keeps that version: list again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""
