"""The cluster kind ``embedded``: the API server of this package, with Wasmbed's resource types and a namespace."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from harness.clusters.cluster import Cluster
from harness.clusters.embedded.client import EmbeddedApi
from harness.clusters.embedded.durable.folder import StateFolder
from harness.clusters.embedded.durable.journal import Journal
from harness.clusters.embedded.durable.keys import AccessKeys
from harness.clusters.embedded.http_server import HttpServer, Ready
from harness.clusters.embedded.kubeconfig import write_kubeconfig
from harness.clusters.embedded.logs import FindLog, Log, Logs, OpenLog
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.patches import MERGE_PATCH
from harness.clusters.embedded.server import ApiServer
from harness.clusters.embedded.values import Object, copy_value
from harness.clusters.files import replace_file
from harness.clusters.gate import Gate, GatedProgram
from harness.clusters.watch_times import WatchTimes
from harness.core.clock import Clock
from harness.core.errors import RigError, UsageError, reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network, SystemNetwork
from harness.wasmbed.pki.tls import tls_server
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kinds import CUSTOM_RESOURCE_DEFINITION, load_crds
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

__all__ = ["EmbeddedCluster"]

_HOST = "127.0.0.1"


@cache
def _definitions() -> tuple[Object, ...]:
    return tuple(load_crds())


class EmbeddedCluster(Cluster):
    """A Kubernetes API in this process. It has a socket only after a kubeconfig was requested."""

    kind: ClassVar[str] = "embedded"
    keeps_state: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = frozenset(("watches",))

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        namespace: str = DEFAULT_NAMESPACE,
        tap: Tap | None = None,
        *,
        port: int = 0,
        snapshot: Path | None = None,
        state: Path | None = None,
        starter: int | None = None,
        network: Network | None = None,
        open_log: OpenLog | None = None,
        ready: Ready | None = None,
        watches: WatchTimes = WatchTimes.PROMPT,
    ) -> None:
        """``port``: where to listen, 0 for any. ``snapshot``: a file to go on from, and to leave at the end.
        ``state``: a folder to go on from, in which everything is kept before it is acknowledged; ``starter`` is the
        process to stop before another use of the folder, by default this one.

        ``open_log``: where the logs of Devices are, instead of :meth:`serve_logs`. ``ready`` is awaited before every
        request that comes over the socket. ``watches``: when watch events arrive.
        """
        self._clock = clock
        self._randomness = randomness
        self.namespace = namespace
        self._tap = tap
        self._port = port
        self._snapshot = snapshot
        self._folder = StateFolder(state) if state is not None else None
        self._starter = starter if starter is not None else os.getpid()
        self._journal: Journal | None = None
        self._keys: AccessKeys | None = None
        self._network = network or SystemNetwork()
        self._watches = watches
        self._server: ApiServer | None = None
        self._front: HttpServer | None = None
        self._access: tuple[Endpoint, bytes, str] | None = None
        self._find_log: FindLog = lambda name: None
        self._logs = Logs(namespace, open_log or self._open_log, clock)
        self._ready = ready

    @property
    def server(self) -> ApiServer:
        """The API server. Raises :class:`RigError` before :meth:`start`."""
        if self._server is None:
            raise RigError("the embedded cluster is not started", do="call start() first")
        return self._server

    async def start(self) -> None:
        server = ApiServer(self._clock, self._randomness.fork("cluster"), tap=self._tap, watches=self._watches)
        if self._snapshot is not None and self._snapshot.exists():
            self._load(server, self._snapshot)
        if self._folder is not None:
            await self._keep(server, self._folder)
        for definition in _definitions():
            await _install(server, copy_value(definition))
        server.create_namespace(self.namespace)
        server.start_types_late()
        self._server = server

    async def _keep(self, server: ApiServer, folder: StateFolder) -> None:
        await folder.lock(self._starter)
        journal = Journal(folder)
        try:
            self._keys = AccessKeys.kept_in(folder.path)
            server.keep(journal, self._keys.account_key)
        except BaseException:
            await journal.close()
            raise
        self._journal = journal

    async def lost(self) -> None:
        if self._journal is None:
            await super().lost()
            return
        raise RigError(
            f"the state folder does not keep what is written to it: {await self._journal.failed}",
            where=str(self._journal.path),
            do="check the disk, then start again: nothing that was acknowledged is lost",
        )

    @staticmethod
    def _load(server: ApiServer, path: Path) -> None:
        try:
            server.load(path.read_bytes())
        except (OSError, ValueError) as error:
            raise UsageError(
                f"the snapshot cannot be read: {reason(error)}",
                where=str(path),
                do="name a snapshot that an embedded cluster wrote, or delete the file to begin anew",
            ) from error

    async def stop(self) -> None:
        server, self._server = self._server, None
        self._logs.close()
        try:
            if server is not None and self._snapshot is not None:
                self._write_snapshot(self._snapshot, server)
        finally:  # a disk may be full
            if server is not None:
                server.close()
            if self._front is not None:
                front, self._front, self._access = self._front, None, None
                await front.stop()
            if self._journal is not None:
                journal, self._journal = self._journal, None
                await journal.close()

    def save(self) -> None:
        """Write the snapshot now. Raises :class:`UsageError` where the cluster has no file for it, :class:`RigError`
        where it cannot be written; an earlier one is then still there."""
        if self._snapshot is None:
            raise UsageError("the cluster has no file for a snapshot", do="name one: EmbeddedCluster(snapshot=PATH)")
        self._write_snapshot(self._snapshot, self.server)

    @staticmethod
    def _write_snapshot(path: Path, server: ApiServer) -> None:
        try:
            replace_file(path, server.dump())
        except OSError as error:
            raise RigError(
                f"the snapshot cannot be written: {reason(error)}", where=str(path), do="free the disk"
            ) from error

    def client(self, name: str) -> ResourceApi:
        return EmbeddedApi(self.server, self.namespace, name)

    async def write_kubeconfig(self, path: Path) -> None:
        endpoint, authority, token = await self.listen()
        write_kubeconfig(path, endpoint, authority, token, self.namespace)

    async def give_access(self, name: str, path: Path, gate: Gate | None = None, clients: Collection[str] = ()) -> None:
        endpoint, authority, _ = await self.listen()
        token = Randomness().token(32)
        self.admit(token, name, gate, clients)
        write_kubeconfig(path, endpoint, authority, token, self.namespace)

    def admit(self, token: str, name: str, gate: Gate | None = None, clients: Collection[str] = ()) -> None:
        """Let in a program by its token, as :meth:`give_access` describes it. The cluster has to listen."""
        if self._front is None:
            raise RuntimeError("the cluster does not listen")
        self._front.admit(token, GatedProgram(name, gate, clients))

    def serve_logs(self, find: FindLog) -> None:
        """Offer boards' consoles as the logs of their Devices, to those whom :meth:`write_kubeconfig` lets in."""
        self._find_log = find

    async def _open_log(self, name: str) -> Log | None:
        return self._find_log(name)

    async def listen(self) -> tuple[Endpoint, bytes, str]:
        """Serve over a socket; returns where, the authority to trust (DER), and the token that lets in.

        Raises :class:`RigError` where the port is not available.
        """
        if self._access is None:
            keys = self._keys or AccessKeys.create()
            identity = keys.authority.issue_server(_HOST, (_HOST, "localhost"), algorithm="p256")
            tls = tls_server((identity,), keys.authority.certificate)
            front = HttpServer(
                self.server, self._clock, self._network, token=keys.token, tls=tls, logs=self._logs, ready=self._ready
            )
            endpoint = await self._start_front(front, keys.port)
            self._front = front
            self._access = (endpoint, keys.authority.certificate, keys.token)
            if self._folder is not None:
                keys.save(self._folder.path, endpoint[1])
        return self._access

    async def _start_front(self, front: HttpServer, before: int) -> Endpoint:
        """Listen on the port of ``before`` a restart if it is free, since clients know it."""
        if before and not self._port:
            with suppress(RigError):
                return await front.start((_HOST, before))
        return await front.start((_HOST, self._port))


async def _install(server: ApiServer, definition: Object) -> None:
    """Apply a CustomResourceDefinition, which a snapshot may have brought already."""
    resource = CUSTOM_RESOURCE_DEFINITION
    path = f"/apis/{resource.api_version}/{resource.plural}"
    response = await server.handle(Request("POST", path, body=definition, client="Harness"))
    if response.status == 409:
        patch: dict[str, Any] = {"spec": definition["spec"]}
        headers = {"content-type": MERGE_PATCH}
        name = definition["metadata"]["name"]
        response = await server.handle(
            Request("PATCH", f"{path}/{name}", headers=headers, body=patch, client="Harness")
        )
    if response.status >= 400:
        do = "correct the CustomResourceDefinition"
        if response.status >= 500:
            do = "free room on the disk of the state folder, or name another folder"
        raise RigError(
            f"the embedded cluster refused a resource type: {response.content.value()['message']}",
            where=definition["metadata"]["name"],
            do=do,
        )
