"""Clients of a cluster that is reached over the network; the tap records their requests and deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from harness.clusters.existing.causality import Causality
from harness.clusters.existing.disturbances import Disturbances
from harness.clusters.recording import RequestRecorder
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.history import Tap
from harness.wasmbed.resources.answers import CLUSTER_SCOPED
from harness.wasmbed.resources.api import ApiError, Gone, Object, Resource, ResourceApi, ResourceList, WatchEvent
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.outages import OutageLog

__all__ = ["Connection", "Tapped", "TappedClient"]

T = TypeVar("T")


class Tapped:
    """The tap that all clients of one cluster share."""

    def __init__(self, tap: Tap, clock: Clock) -> None:
        self.recorder = RequestRecorder(tap)
        self.causality = Causality(self.recorder.order)
        self.made: dict[tuple[Resource, str], str] = {}
        """The UIDs of the objects that they made in their namespace."""
        self.disturbances = Disturbances(clock)

    def note(self, resource: Resource, made: Object) -> None:
        """Note an object that was made."""
        if resource not in CLUSTER_SCOPED:
            metadata = made["metadata"]
            self.made[resource, metadata["name"]] = str(metadata.get("uid"))


class Connection:
    """The way to a cluster that its clients share, opened when it is first used. Reading a kubeconfig file takes more
    time than a request, and each connection beneath has its TLS handshake."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._had_configuration = kubeconfig.exists()
        self._opened: KubernetesApi | None = None
        self._opening = asyncio.Lock()

    async def opened(self) -> KubernetesApi:
        """The connection beneath, for requests that are not recorded.

        Raises UsageError without a usable configuration, and OSError where it was removed meanwhile: a server that is
        started for a session takes its configuration with it when it ends.
        """
        async with self._opening:
            if self._opened is None:
                try:
                    self._opened = await KubernetesApi.open("default", kubeconfig=self._kubeconfig, name="Harness")
                except UsageError as error:
                    if self._had_configuration and not self._kubeconfig.exists():
                        raise ConnectionError(f"{self._kubeconfig} was removed") from error
                    raise
            return self._opened

    async def close(self) -> None:
        """Close it; a client that is used again opens it again."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()


class TappedClient(ResourceApi):
    """A client that connects when it is first used, and records its requests."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        tapped: Tapped | None = None,
        outages: OutageLog | None = None,
    ) -> None:
        self.namespace = namespace
        self._connection = connection
        self._name = name
        self._tapped = tapped
        self._outages = outages
        self._api: KubernetesApi | None = None

    async def _connected(self) -> KubernetesApi:
        if self._api is None:
            self._api = (await self._connection.opened()).share(self.namespace, self._name, self._outages)
        return self._api

    async def get(self, resource: Resource, name: str) -> Object:
        api = await self._connected()
        with self._asking("GET", resource, name):
            return await api.get(resource, name)

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        api = await self._connected()
        with self._asking("LIST", resource):
            return await api.list(resource, label_selector=label_selector, field_selector=field_selector)

    async def create(self, resource: Resource, body: Object) -> Object:
        name = body.get("metadata", {}).get("name", "")
        return await self._write("POST", resource, name, body, lambda api: api.create(resource, body), code=201)

    async def replace(self, resource: Resource, name: str, body: Object) -> Object:
        return await self._write("PUT", resource, name, body, lambda api: api.replace(resource, name, body))

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        return await self._write("PATCH", resource, name, patch, lambda api: api.patch(resource, name, patch))

    async def patch_status(self, resource: Resource, name: str, patch: Object) -> Object:
        def send(api: KubernetesApi) -> Awaitable[Object]:
            return api.patch_status(resource, name, patch)

        return await self._write("PATCH", resource, name, patch, send, subresource="status")

    async def delete(
        self, resource: Resource, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> None:
        def send(api: KubernetesApi) -> Awaitable[None]:
            return api.delete(resource, name, uid=uid, resource_version=resource_version)

        await self._write("DELETE", resource, name, None, send)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, resource_version: str, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        api = await self._connected()
        async with AsyncExitStack() as open_watch:
            with self._asking("WATCH", resource):
                watch = api.watch(resource, resource_version=resource_version, **selectors)
                events = await open_watch.enter_async_context(watch)
            yield events if self._tapped is None else self._deliveries(resource, events, self._tapped)

    async def _deliveries(
        self, resource: Resource, events: AsyncIterator[WatchEvent], tapped: Tapped
    ) -> AsyncIterator[WatchEvent]:
        is_recorded, watch = tapped.recorder.records_watches_of(resource.group), self._request("WATCH", resource)
        try:
            async for event in events:
                if is_recorded and event.type != "BOOKMARK":
                    tapped.causality.delivered(resource, event.type, event.object)
                    tapped.recorder.delivery(self._name, event.type, resource.kind, event.object)
                yield event
        except Gone:
            tapped.disturbances.expired(watch)
            raise
        except ApiError as error:
            tapped.disturbances.answered(error.code, watch, str(error))
            raise
        except OSError as error:
            if self._api is not None:  # otherwise it was closed here
                tapped.disturbances.cut(watch, error)
            raise

    async def close(self) -> None:
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    def _request(self, method: str, resource: Resource, name: str = "") -> str:
        return f"{method} {resource.kind} {name}".rstrip() + f" of {self._name}"

    def _asking(self, method: str, resource: Resource, name: str = "") -> AbstractContextManager[None]:
        if self._tapped is None:
            return nullcontext()
        return self._tapped.disturbances.asking(self._request(method, resource, name))

    async def _write(
        self,
        method: str,
        resource: Resource,
        name: str,
        body: Object | None,
        send: Callable[[KubernetesApi], Awaitable[T]],
        *,
        subresource: str = "",
        code: int = 200,
    ) -> T:
        """Return the result of ``send``; record the request with its answer before its effects.

        A request without an answer is not recorded, nor one that makes no object.
        """
        api, tapped = await self._connected(), self._tapped
        if tapped is None:
            return await send(api)
        namespace = self.namespace if resource not in CLUSTER_SCOPED else ""
        about: dict[str, Any] = {"group": resource.group, "namespace": namespace, "subresource": subresource}
        write = tapped.causality.sent(resource, namespace, name, deletes=method == "DELETE")
        try:
            with self._asking(method, resource, name):
                answer = await send(api)
            made = answer if isinstance(answer, dict) else None
            if made is not None and "uid" not in made.get("metadata", {}):
                return answer  # a review or a token, which are not kept
            if made is not None:
                name = made["metadata"]["name"]
                if method == "POST":
                    tapped.note(resource, made)
            put = tapped.causality.place(write, made)
            tapped.recorder.request(
                self._name, method, resource.kind, name=name, code=code, body=body, put=put, **about
            )
        except ApiError as error:
            tapped.recorder.request(self._name, method, resource.kind, name=name, code=error.code, body=body, **about)
            raise
        finally:
            tapped.causality.ended(write)
        return answer
