"""A client of the cluster with the faults of a test in front of it, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from harness.clusters.gate import Watching
from harness.stack.api_faults import GONE, ApiFaults, error_of
from harness.wasmbed.resources.api import ApiError, Object, Resource, ResourceApi, ResourceList, WatchEvent

__all__ = ["FaultyApi"]

T = TypeVar("T")


class FaultyApi(ResourceApi):
    """``api`` for the ``client`` of that name, with ``faults`` in front."""

    def __init__(self, faults: ApiFaults, client: str, api: ResourceApi) -> None:
        self._faults, self._client, self._api = faults, client, api
        self.namespace = api.namespace
        self._expired: set[str] = set()
        """Kinds whose watches ended with 410: they have to be listed before they are watched again."""

    async def get(self, resource: Resource, name: str) -> Object:
        answer = await self._call("get", resource, name, lambda: self._api.get(resource, name))
        return self._faults.answered(self._client, "get", resource, name, "", answer)

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        async def send() -> ResourceList:
            self._expired.discard(resource.kind)
            return await self._api.list(resource, label_selector=label_selector, field_selector=field_selector)

        answer = await self._call("list", resource, "", send)
        return self._faults.answered(self._client, "list", resource, "", f"{label_selector}&{field_selector}", answer)

    async def create(self, resource: Resource, body: Object) -> Object:
        name = str(body.get("metadata", {}).get("name") or "")
        await self._faults.foreseen(self._client, "POST", resource, name, body)
        return await self._call("create", resource, name, lambda: self._api.create(resource, body))

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        await self._faults.foreseen(self._client, "PUT", resource, name, body)
        return await self._call("replace", resource, name, lambda: self._api.replace(resource, name, body))

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        await self._faults.foreseen(self._client, "PATCH", resource, name, patch)
        return await self._call("patch", resource, name, lambda: self._api.patch(resource, name, patch))

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        await self._faults.foreseen(self._client, "PATCH", resource, name, patch)
        return await self._call("patch_status", resource, name, lambda: self._api.patch_status(resource, name, patch))

    async def delete(
        self, resource: Resource, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        def send() -> Awaitable[None]:
            return self._api.delete(resource, name, uid=uid, resource_version=resource_version)

        await self._faults.foreseen(self._client, "DELETE", resource, name, {})
        await self._call("delete", resource, name, send)

    async def _call(self, verb: str, resource: Resource, name: str, send: Callable[[], Awaitable[T]]) -> T:
        await self._faults.enter(self._client, verb, resource, name)
        answer = await send()
        await self._faults.leave(self._client, verb, resource, name)
        return answer

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        await self._faults.enter(self._client, "watch", resource, "")
        if resource.kind in self._expired:
            raise error_of(GONE, "the watch")
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        with self._faults.watching(self._client, resource) as watch:
            async with self._api.watch(resource, resource_version=resource_version, **selectors) as events:
                yield self._until(watch, resource, events)

    async def close(self) -> None:
        await self._api.close()

    async def _until(
        self, watch: Watching, resource: Resource, events: AsyncIterator[WatchEvent]
    ) -> AsyncIterator[WatchEvent]:
        """The events up to the moment at which the watch has to end."""
        async for event in events:
            name = event.object["metadata"].get("name", "")
            try:
                await self._faults.event(self._client, event.type, resource, name, event.object)
            except ApiError as error:
                if error.code == GONE:
                    self._expired.add(resource.kind)
                raise
            if watch.ends_with is None:
                yield event
                continue
            if watch.ends_with == GONE:
                self._expired.add(resource.kind)
            if watch.ends_with:
                raise error_of(watch.ends_with, "the watch")
            return
