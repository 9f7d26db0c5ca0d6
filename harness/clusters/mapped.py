"""A cluster whose resource types are those of the system under test, seen in the documents' form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from harness.clusters.gate import Gate, Watching
from harness.clusters.mapping import ResourceForm, ResourceMapping
from harness.wasmbed.resources.api import Object, Resource, ResourceApi, ResourceList, WatchEvent

__all__ = ["MappedApi", "MappedGate"]


class MappedApi(ResourceApi):
    """A client that takes and returns the documents' form."""

    def __init__(self, api: ResourceApi, mapping: ResourceMapping) -> None:
        self._api, self._mapping = api, mapping
        self.namespace = api.namespace

    async def get(self, resource: Resource, name: str) -> Object:
        form = self._form(resource)
        return form.to_documents(await self._api.get(form.own, name))

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        form = self._form(resource)
        listed = await self._api.list(
            form.own, label_selector=label_selector, field_selector=form.field_selector(field_selector)
        )
        return ResourceList([form.to_documents(item) for item in listed.items], listed.resource_version)

    async def create(self, resource: Resource, body: Object) -> Object:
        form = self._form(resource)
        return form.to_documents(await self._api.create(form.own, form.to_own(body)))

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        form = self._form(resource)
        return form.to_documents(await self._api.replace(form.own, name, form.to_own(body)))

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        form = self._form(resource)
        return form.to_documents(await self._api.patch(form.own, name, form.to_own(patch)))

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        form = self._form(resource)
        return form.to_documents(await self._api.patch_status(form.own, name, form.to_own(patch)))

    async def delete(
        self, resource: Resource, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        await self._api.delete(self._form(resource).own, name, uid=uid, resource_version=resource_version)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        form = self._form(resource)
        selectors = {"label_selector": label_selector, "field_selector": form.field_selector(field_selector)}
        async with self._api.watch(form.own, resource_version=resource_version, **selectors) as events:
            yield _translated(form, events)

    async def close(self) -> None:
        await self._api.close()

    def _form(self, resource: Resource) -> ResourceForm:
        return self._mapping.form(resource) or ResourceForm(resource, resource)


async def _translated(form: ResourceForm, events: AsyncIterator[WatchEvent]) -> AsyncIterator[WatchEvent]:
    async for event in events:
        yield WatchEvent(event.type, form.to_documents(event.object))


class MappedGate:
    """A gate that knows another program's requests by the documents' types."""

    def __init__(self, gate: Gate, mapping: ResourceMapping) -> None:
        self._gate, self._mapping = gate, mapping

    async def enter(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """As of :class:`~harness.clusters.gate.Gate`."""
        await self._gate.enter(client, verb, self._documents(resource), name)

    async def leave(self, client: str, verb: str, resource: Resource, name: str) -> None:
        """As of :class:`~harness.clusters.gate.Gate`."""
        await self._gate.leave(client, verb, self._documents(resource), name)

    async def foreseen(self, client: str, change: str, resource: Resource, name: str, body: Object) -> None:
        """As of :class:`~harness.clusters.gate.Gate`."""
        await self._gate.foreseen(client, change, self._documents(resource), name, self._in_documents(resource, body))

    def answered(self, client: str, verb: str, resource: Resource, name: str, query: str, answer: bytes) -> bytes:
        """As of :class:`~harness.clusters.gate.Gate`."""
        return self._gate.answered(client, verb, self._documents(resource), name, query, answer)

    async def event(self, client: str, change: str, resource: Resource, name: str, stored: Object) -> None:
        """As of :class:`~harness.clusters.gate.Gate`."""
        await self._gate.event(client, change, self._documents(resource), name, self._in_documents(resource, stored))

    def _in_documents(self, resource: Resource, own: Object) -> Object:
        form = self._mapping.form_at(resource)
        return own if form is None or not own else form.to_documents(own)

    def watching(self, client: str, resource: Resource) -> AbstractContextManager[Watching]:
        """As of :class:`~harness.clusters.gate.Gate`."""
        return self._gate.watching(client, self._documents(resource))

    def _documents(self, resource: Resource) -> Resource:
        form = self._mapping.form_at(resource)
        return resource if form is None else form.documents
