"""The cluster kind ``kubeconfig``: a cluster that exists already, reached by a kubeconfig file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, ClassVar

import yaml

from harness.clusters.cluster import Cluster
from harness.clusters.existing.access import check_context, check_rights, check_version
from harness.clusters.existing.client import Connection, Tapped, TappedClient
from harness.clusters.existing.definitions import install
from harness.clusters.existing.disturbances import is_of_server
from harness.clusters.existing.namespaces import (
    Leaving,
    delete_made,
    delete_namespace,
    leave_namespace,
    make_namespace,
    occupy_namespace,
)
from harness.clusters.existing.proxy import RecordingProxy
from harness.clusters.files import replace_file
from harness.clusters.gate import Gate, GatedProgram
from harness.core.backoff import Backoff
from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError, reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.resources.api import ApiError, ResourceApi
from harness.wasmbed.resources.kubeconfig_files import absolute_paths, kubeconfig_of_environment
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE
from harness.wasmbed.resources.outages import OutageLog

__all__ = ["LEAVING", "KubeconfigCluster"]

ANSWERS_WITHIN = 10.0
GIVEN_UP_AFTER = 120.0
"""Seconds without an answer after which a cluster counts as lost; a control plane restarts in less."""
_ATTEMPTS = 6
_AGAIN = Backoff(first=0.1, longest=1.0)
_NEW_CREDENTIALS = "the server does not know these credentials, or they have expired: get new ones"
_SEE_ITS_LOG = "see the API server's log and load, and what lies between it and this machine; then run this again"
LEAVING = Leaving()
"""Namespaces that this process deleted; checked at the end of the session."""


class KubeconfigCluster(Cluster):
    """An existing cluster. The namespace is deleted at the end if it was made here, which takes a cluster some seconds
    and is not waited for (see :data:`LEAVING`); in one that was there, only what this run's clients made is
    deleted. The resource types stay.

    The tap records only this process's clients.
    """

    kind: ClassVar[str] = "kubeconfig"
    shared: ClassVar[bool] = True
    patience: ClassVar[float] = 90.0
    options: ClassVar[frozenset[str]] = frozenset(("kubeconfig", "allow_cluster"))

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        namespace: str = DEFAULT_NAMESPACE,
        tap: Tap | None = None,
        *,
        kubeconfig: Path | None = None,
        allow_cluster: str | None = None,
    ) -> None:
        """``kubeconfig``: the file; if None, the path in ``KUBECONFIG``, or ``~/.kube/config``.
        ``allow_cluster``: the context, if the cluster is on another machine."""
        self._clock, self._randomness = clock, randomness
        self.namespace = namespace
        self._tapped = Tapped(tap, clock) if tap is not None else None
        self._path = kubeconfig or self.default_path()
        self._allowed = allow_cluster
        self._connection = Connection(self._path)
        self._clients: list[TappedClient] = []
        self._proxies: list[RecordingProxy] = []
        self._owns_namespace = False
        self._mark = ""
        self._outages = OutageLog(clock)

    @classmethod
    def unavailable(cls) -> str | None:
        try:
            path = cls.default_path()
        except UsageError as error:
            return f"{error.where} {error.what}: {error.do}"
        return None if path.is_file() else f"{path} is not there: set KUBECONFIG to a cluster's kubeconfig file"

    @staticmethod
    def default_path() -> Path:
        """Return the path in ``KUBECONFIG``, or ``~/.kube/config``. Raises UsageError for several paths."""
        return kubeconfig_of_environment() or Path.home() / ".kube" / "config"

    async def start(self) -> None:
        harness = self._client("Harness", None)
        try:
            await self._check((await self._connection.opened()).share(self.namespace, "Harness"))
            await self._install(harness)
            self._owns_namespace = await make_namespace(harness, self.namespace, self._clock)
            if not self._owns_namespace:
                self._mark = await occupy_namespace(harness)
        except ApiError as error:
            raise RigError(
                f"the cluster refused to be set up: {reason(error)}",
                where=str(self._path),
                do=_NEW_CREDENTIALS
                if error.code == 401
                else _SEE_ITS_LOG
                if is_of_server(error.code)
                else "use credentials that may make namespaces and CustomResourceDefinitions",
            ) from error
        except OSError as error:
            raise RigError(
                f"the cluster cannot be reached: {reason(error)}",
                where=str(self._path),
                do="start it, or name another kubeconfig",
            ) from error

    async def _check(self, api: KubernetesApi) -> None:
        """Check that the cluster may be used, before anything is created in it."""
        check_context(self._path, api.host, self._allowed)
        await check_version(api, str(self._path))
        await check_rights(api, str(self._path))

    async def _install(self, api: ResourceApi) -> None:
        """See to it that the cluster serves Wasmbed's resource types."""
        await install(api, self._clock)

    async def check(self) -> None:
        try:
            async with self._clock.deadline(ANSWERS_WITHIN):
                await (await self._connection.opened()).version()
        except (OSError, ApiError) as error:
            raise RigError(
                f"the cluster does not answer any more: {reason(error)}",
                where=str(self._path),
                do=self._advice(),
            ) from error
        if self._tapped is not None and (what := str(self._tapped.disturbances)):
            raise RigError(
                f"the cluster disturbed the test, which no fault of the test asked for: {what}",
                where=str(self._path),
                do=_SEE_ITS_LOG,
            )

    def _advice(self) -> str:
        """Return advice for a cluster that is no longer reachable."""
        return "see why it ended, and start it again"

    async def lost(self) -> None:
        why = await self._outages.lasts(GIVEN_UP_AFTER)
        raise RigError(
            f"the cluster has not answered for {GIVEN_UP_AFTER:g} s: {why}",
            where=str(self._path),
            do=f"{self._advice()}; then start the platform again",
        )

    async def stop(self) -> None:
        try:
            await self._clean_up()
        finally:
            proxies, self._proxies = self._proxies, []
            for proxy in proxies:
                await proxy.stop()
            clients, self._clients = self._clients, []
            for client in clients:
                await client.close()
            await self._connection.close()

    async def _clean_up(self) -> None:
        """Delete the namespace that was made here, or what was made in another one."""
        if self._owns_namespace:
            self._owns_namespace = False
            trouble = await self._insist(lambda: delete_namespace(self._clients[0]))
            if not isinstance(trouble, ApiError):  # without an answer it may be deleted or not
                self._left_behind()
        elif self._mark or (self._tapped is not None and self._tapped.made):
            await self._insist(self._leave)

    async def _leave(self) -> None:
        """Remove what this run made in a namespace that stays, and then its mark."""
        if self._tapped is not None:
            await delete_made(self._clients[0], self._tapped.made)
            self._tapped.made = {}
        if self._mark:
            await leave_namespace(self._clients[0], self._mark)
            self._mark = ""

    async def _insist(self, delete: Callable[[], Awaitable[None]]) -> Exception | None:
        """Delete, and try again where the cluster does not answer as it should; returns why it did not work. Such
        trouble changes no verdict, as the test is over: the session's end tells what stays."""
        why: Exception | None = None
        for failures in range(_ATTEMPTS):
            if failures:
                await self._clock.sleep(_AGAIN.delay(failures - 1, self._randomness))
            try:
                await delete()
            except ApiError as error:
                if not is_of_server(error.code):
                    raise
                why = error
            except OSError as error:
                why = error
            else:
                return None
        if isinstance(why, ApiError):
            LEAVING.failed(self.namespace, reason(why))
        return why

    def _left_behind(self) -> None:
        """Note the namespace as being deleted."""
        LEAVING.add(self._path, self.namespace)

    def client(self, name: str) -> ResourceApi:
        return self._client(name, self._tapped, self._outages)

    def _client(self, name: str, tapped: Tapped | None, outages: OutageLog | None = None) -> TappedClient:
        client = TappedClient(self._connection, self.namespace, name, tapped, outages)
        self._clients.append(client)
        return client

    async def give_access(self, name: str, path: Path, gate: Gate | None = None, clients: Collection[str] = ()) -> None:
        if self._tapped is None and gate is None:
            await self.write_kubeconfig(path)
            return
        tapped = self._tapped or Tapped(_record_nothing, self._clock)
        program = GatedProgram(name, gate, clients)
        proxy = RecordingProxy(self._path, self.namespace, program, tapped, self._clock, SystemNetwork())
        self._proxies.append(proxy)
        await proxy.start()
        proxy.write_kubeconfig(path)

    async def write_kubeconfig(self, path: Path) -> None:
        try:
            content = _in_namespace(self._path.read_bytes(), self.namespace, self._path.parent.absolute())
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            raise UsageError(
                f"the kubeconfig cannot be copied to {path}: {reason(error)}",
                where=str(self._path),
                do="name a file that can be written",
            ) from error


def _in_namespace(kubeconfig: bytes, namespace: str, folder: Path) -> bytes:
    """A kubeconfig from ``folder`` whose current context names the namespace, and which is right in other folders."""
    try:
        config = yaml.safe_load(kubeconfig)
        (context,) = [each["context"] for each in config["contexts"] if each["name"] == config["current-context"]]
        context["namespace"] = namespace
    except (yaml.YAMLError, TypeError, AttributeError, LookupError, ValueError):
        return kubeconfig  # its reader says what is wrong with it
    absolute_paths(config, folder)
    return yaml.safe_dump(config, sort_keys=False).encode()


def _record_nothing(*event: Any) -> None:
    """The tap of a cluster without one."""
