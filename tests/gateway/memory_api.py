"""An API server in memory, whose requests a test can delay or fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from harness.wasmbed.resources.api import (
    Conflict,
    NotFound,
    Object,
    Resource,
    ResourceApi,
    ResourceList,
    WatchEvent,
)


def merge_patch(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


class MemoryApi(ResourceApi):
    """Objects in a dictionary. ``fail`` is called before each request and may raise or wait."""

    namespace = "wasmbed"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.version = 0
        self.log: list[tuple[Resource, WatchEvent]] = []
        self.requests: list[tuple[str, str, str, Object]] = []
        self.changed = asyncio.Event()
        self.fail: Callable[[str, Resource, str], Awaitable[None] | None] = lambda verb, resource, name: None

    async def get(self, resource: Resource, name: str) -> Object:
        await self._enter("get", resource, name)
        return self._find(resource, name)

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        await self._enter("list", resource, "")
        items = [found for (plural, _), found in self.objects.items() if plural == resource.plural]
        return ResourceList([item for item in items if _selected(item, field_selector)], str(self.version))

    async def create(self, resource: Resource, body: Object) -> Object:
        name = body["metadata"]["name"]
        await self._enter("create", resource, name, body)
        if (resource.plural, name) in self.objects:
            raise Conflict({"code": 409, "reason": "AlreadyExists", "message": f"{name} exists"})
        made = {**body, "metadata": {**body["metadata"], "uid": f"uid-{self.version}", "generation": 1}}
        made.pop("status", None)
        return self._store("ADDED", resource, made)

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        raise NotImplementedError

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        await self._enter("patch", resource, name, patch)
        return self._patch(resource, name, patch)

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        await self._enter("patch_status", resource, name, patch)
        return self._patch(resource, name, patch)

    async def delete(
        self, resource: Resource, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        await self._enter("delete", resource, name)
        found = self._find(resource, name)
        if resource_version not in (None, found["metadata"]["resourceVersion"]):
            raise Conflict({"code": 409, "reason": "Conflict", "message": "changed"})
        del self.objects[resource.plural, name]
        self._store("DELETED", resource, found)
        del self.objects[resource.plural, name]

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        await self._enter("watch", resource, "")
        yield self._events(resource, int(resource_version), field_selector)

    async def close(self) -> None:
        pass

    async def _events(self, resource: Resource, version: int, field_selector: str) -> AsyncIterator[WatchEvent]:
        position = 0
        while True:
            while position < len(self.log):
                kind, event = self.log[position]
                position += 1
                newer = int(event.object["metadata"]["resourceVersion"]) > version
                if kind == resource and newer and _selected(event.object, field_selector):
                    yield event
            await self.changed.wait()

    async def _enter(self, verb: str, resource: Resource, name: str, body: Object | None = None) -> None:
        self.requests.append((verb, resource.kind, name, body or {}))
        waiting = self.fail(verb, resource, name)
        if waiting is not None:
            await waiting

    def _find(self, resource: Resource, name: str) -> Object:
        found = self.objects.get((resource.plural, name))
        if found is None:
            raise NotFound({"code": 404, "reason": "NotFound", "message": f"no {resource.kind} {name}"})
        return found

    def _patch(self, resource: Resource, name: str, patch: Object) -> Object:
        found = self._find(resource, name)
        expected = patch.get("metadata", {}).get("resourceVersion")
        if expected not in (None, found["metadata"]["resourceVersion"]):
            raise Conflict({"code": 409, "reason": "Conflict", "message": "changed"})
        return self._store("MODIFIED", resource, merge_patch(found, patch))

    def _store(self, event: Any, resource: Resource, body: Object) -> Object:
        self.version += 1
        stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        self.objects[resource.plural, stored["metadata"]["name"]] = stored
        self.log.append((resource, WatchEvent(event, stored)))
        self.changed.set()
        self.changed = asyncio.Event()
        return stored


def _selected(item: Object, field_selector: str) -> bool:
    return not field_selector or item["metadata"]["name"] == field_selector.removeprefix("metadata.name=")
