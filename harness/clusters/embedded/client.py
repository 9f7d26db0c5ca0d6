"""The port to Kubernetes on an embedded server, in this process or another: no HTTP, and no TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import quote

from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.messages import Content, Request
from harness.clusters.embedded.patches import MERGE_PATCH
from harness.wasmbed.resources.api import Object, Resource, ResourceApi, ResourceList, WatchEvent, api_error

__all__ = ["Answer", "EmbeddedApi", "Events", "Server"]

_JSON = {"content-type": "application/json"}
_MERGE = {"content-type": MERGE_PATCH}


class Events(Protocol):
    """An open watch."""

    async def event(self) -> tuple[str, Object] | None:
        """The next event, None at the end. Raises a refusal that ended it; :class:`OSError`: the server is gone."""

    def close(self) -> None:
        """End the watch."""


class Answer(Protocol):
    """An answer: content, or a watch that goes on."""

    @property
    def status(self) -> int: ...
    @property
    def content(self) -> Content: ...
    @property
    def watcher(self) -> Events | None: ...


class Server(Protocol):
    """An embedded server, wherever it is."""

    @property
    def closed(self) -> bool: ...

    async def handle(self, request: Request) -> Answer:
        """The answer to a request. Raises :class:`OSError` where the server is gone."""

    def is_namespaced(self, resource: Resource) -> bool:
        """Whether a type's objects live in namespaces."""


class _Turn:
    """Lets everybody else have a turn, as a call over a socket would."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class EmbeddedApi(ResourceApi):
    """One namespace of an embedded API server, under a client's name. What goes in or comes out is copied."""

    def __init__(self, server: Server, namespace: str, name: str) -> None:
        self.namespace = namespace
        self._server = server
        self._name = name
        self._paths: dict[Resource, str] = {}

    async def get(self, resource: Resource, name: str) -> Object:
        return await self._object("GET", self._path(resource, name))

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        query = _selectors(label_selector, field_selector)
        listed = await self._object("GET", self._path(resource), query=query)
        return ResourceList(listed["items"], listed["metadata"]["resourceVersion"])

    async def create(self, resource: Resource, body: Object) -> Object:
        return await self._object("POST", self._path(resource), body, _JSON)

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        return await self._object("PUT", self._path(resource, name), body, _JSON)

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        return await self._object("PATCH", self._path(resource, name), patch, _MERGE)

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        return await self._object("PATCH", f"{self._path(resource, name)}/status", patch, _MERGE)

    async def delete(
        self, resource: Resource, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        conditions = {"uid": uid, "resourceVersion": resource_version}
        options = {"preconditions": {member: value for member, value in conditions.items() if value}}
        await self._ask("DELETE", self._path(resource, name), options, _JSON)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        query.update(_selectors(label_selector, field_selector))
        response = await self._ask("GET", self._path(resource), query=query)
        watcher = response.watcher
        if watcher is None:
            raise TypeError("the server answered a watch with something else")
        try:
            yield _Delivered(watcher)
        finally:
            watcher.close()

    async def close(self) -> None:
        """Nothing is held."""

    def _path(self, resource: Resource, name: str | None = None) -> str:
        path = self._paths.get(resource)
        if path is None:
            scope = f"/namespaces/{self.namespace}" if self._server.is_namespaced(resource) else ""
            root = "/apis" if resource.group else "/api"
            path = self._paths[resource] = f"{root}/{resource.api_version}{scope}/{resource.plural}"
        return path if name is None else f"{path}/{quote(name, safe='')}"

    async def _object(
        self,
        method: str,
        path: str,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Object:
        answer: Object = (await self._ask(method, path, body, headers, query)).content.value()
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer:
        await _Turn()
        if self._server.closed:
            raise ConnectionRefusedError("the embedded cluster is stopped")
        request = Request(method, path, query or {}, headers or {}, body, self._name, True)
        response = await self._server.handle(request)
        if response.status >= 400:
            raise api_error(response.content.value())
        return response


class _Delivered:
    """A watch's events as the port has them."""

    def __init__(self, watcher: Events) -> None:
        self._watcher = watcher

    def __aiter__(self) -> _Delivered:
        return self

    async def __anext__(self) -> WatchEvent:
        try:
            event = await self._watcher.event()
        except StatusError as refusal:
            raise api_error(refusal.status()) from refusal
        if event is None:
            raise StopAsyncIteration
        kind, stored = event
        return WatchEvent(kind, stored)  # type: ignore[arg-type]


def _selectors(labels: str, fields: str) -> dict[str, str]:
    query = {}
    if labels:
        query["labelSelector"] = labels
    if fields:
        query["fieldSelector"] = fields
    return query
