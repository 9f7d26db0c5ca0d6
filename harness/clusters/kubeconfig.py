"""The cluster kind ``kubeconfig``: a cluster that exists already, reached as a kubeconfig file says."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from harness.clusters.causality import Causality
from harness.clusters.cluster import Cluster
from harness.clusters.files import replace_file
from harness.clusters.recording import Recorder
from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import (
    ApiError,
    Conflict,
    NotFound,
    Object,
    Resource,
    ResourceApi,
    ResourceList,
    WatchEvent,
)
from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION, NAMESPACE, load_crds
from harness.wasmbed.resources.kubernetes_api import CLUSTER_SCOPED, KubernetesApi

__all__ = ["KubeconfigCluster"]

_ESTABLISHED_WITHIN = 30.0

T = TypeVar("T")


class KubeconfigCluster(Cluster):
    """An existing cluster. The namespace is deleted at the end if it was made here; the resource types stay.

    The tap tells what this process's clients do and see; what others do there crosses no boundary of ours.
    """

    kind: ClassVar[str] = "kubeconfig"
    shared: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = frozenset(("kubeconfig", "allow_cluster"))

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        namespace: str = "wasmbed",
        tap: Tap | None = None,
        *,
        kubeconfig: Path | None = None,
    ) -> None:
        """``kubeconfig``: the file; where it is None, what ``KUBECONFIG`` names, or ``~/.kube/config``."""
        self._clock = clock
        self.namespace = namespace
        self._tapped = _Tapped(tap) if tap is not None else None
        self._path = kubeconfig or _default_path()
        self._clients: list[_Client] = []
        self._owns_namespace = False

    @classmethod
    def unavailable(cls) -> str | None:
        path = _default_path()
        return None if path.is_file() else f"{path} is not there: set KUBECONFIG to a cluster's kubeconfig file"

    async def start(self) -> None:
        harness = self._client("Harness", None)
        try:
            for definition in load_crds():
                await self._establish(harness, definition)
            try:
                await harness.create(NAMESPACE, {"metadata": {"name": self.namespace}})
                self._owns_namespace = True
            except Conflict:
                pass
        except ApiError as error:
            raise RigError(
                f"the cluster refused to be set up: {error}",
                where=str(self._path),
                do="use credentials that may make namespaces and CustomResourceDefinitions",
            ) from error
        except OSError as error:
            raise RigError(
                f"the cluster cannot be reached: {error}",
                where=str(self._path),
                do="start it, or name another kubeconfig",
            ) from error

    async def _establish(self, harness: ResourceApi, definition: Object) -> None:
        name = definition["metadata"]["name"]
        try:
            await harness.create(CUSTOM_RESOURCE_DEFINITION, definition)
        except Conflict:
            await harness.patch(CUSTOM_RESOURCE_DEFINITION, name, {"spec": definition["spec"]})
        field = f"metadata.name={name}"
        listed = await harness.list(CUSTOM_RESOURCE_DEFINITION, field_selector=field)
        if any(map(_is_established, listed.items)):
            return
        version = listed.resource_version
        try:
            async with (
                self._clock.deadline(_ESTABLISHED_WITHIN),
                harness.watch(CUSTOM_RESOURCE_DEFINITION, resource_version=version, field_selector=field) as events,
            ):
                async for event in events:
                    if _is_established(event.object):
                        return
        except TimeoutError:
            pass
        raise RigError(
            f"the resource type {name} was not established within {_ESTABLISHED_WITHIN:g} s",
            where=str(self._path),
            do=f"see: kubectl describe crd {name}",
        )

    async def stop(self) -> None:
        try:
            if self._owns_namespace:
                self._owns_namespace = False
                await self._clients[0].delete(NAMESPACE, self.namespace)
        except (NotFound, OSError):
            pass  # It is gone, or the cluster is, and the namespace with it.
        finally:
            clients, self._clients = self._clients, []
            for client in clients:
                await client.close()

    def client(self, name: str) -> ResourceApi:
        return self._client(name, self._tapped)

    def _client(self, name: str, tapped: _Tapped | None) -> _Client:
        client = _Client(self._path, self.namespace, name, tapped)
        self._clients.append(client)
        return client

    async def write_kubeconfig(self, path: Path) -> None:
        try:
            content = self._path.read_bytes()
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            raise UsageError(
                f"the kubeconfig cannot be copied to {path}: {error.strerror}",
                where=str(self._path),
                do="name a file that can be written",
            ) from error


def _default_path() -> Path:
    return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")


def _is_established(definition: Object) -> bool:
    conditions: list[Any] = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


class _Tapped:
    """What all clients of a cluster tell its tap through."""

    def __init__(self, tap: Tap) -> None:
        self.recorder = Recorder(tap)
        self.causality = Causality(self.recorder.order)


class _Client(ResourceApi):
    """A client that connects when it is first used, and tells the tap what it does."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str, tapped: _Tapped | None) -> None:
        self.namespace = namespace
        self._kubeconfig = kubeconfig
        self._name = name
        self._tapped = tapped
        self._opened: KubernetesApi | None = None

    async def _api(self) -> KubernetesApi:
        if self._opened is None:
            opened = await KubernetesApi.open(self.namespace, kubeconfig=self._kubeconfig, name=self._name)
            if self._opened is None:
                self._opened = opened
            else:  # Another task was faster.
                await opened.close()
        return self._opened

    async def get(self, resource: Resource, name: str) -> Object:
        return await (await self._api()).get(resource, name)

    async def list(self, resource: Resource, *, label_selector: str = "", field_selector: str = "") -> ResourceList:
        api = await self._api()
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
        api = await self._api()
        async with api.watch(resource, resource_version=resource_version, **selectors) as events:
            if self._tapped is not None and self._tapped.recorder.tells_watches_of(resource.group):
                yield self._deliveries(resource, events, self._tapped)
            else:
                yield events

    async def _deliveries(
        self, resource: Resource, events: AsyncIterator[WatchEvent], tapped: _Tapped
    ) -> AsyncIterator[WatchEvent]:
        async for event in events:
            if event.type != "BOOKMARK":
                tapped.causality.delivered(resource, event.type, event.object)
                tapped.recorder.delivery(self._name, event.type, resource.kind, event.object)
            yield event

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

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
        """What ``send`` returns. It is told with its answer, before what it has caused; without one it is not told."""
        api, tapped = await self._api(), self._tapped
        if tapped is None:
            return await send(api)
        namespace = self.namespace if resource not in CLUSTER_SCOPED else ""
        about: dict[str, Any] = {"group": resource.group, "namespace": namespace, "subresource": subresource}
        write = tapped.causality.sent(resource, namespace, name, deletes=method == "DELETE")
        try:
            answer = await send(api)
            made = answer if isinstance(answer, dict) else None
            if made is not None:
                name = made["metadata"]["name"]
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
