"""The contract of every cluster kind.

A cluster's tap is called for what crosses the API server's boundary. Requests that change something: source is the
client's name, target ``Kubernetes``, name ``POST Device``, ``PATCH Device``, ``PUT Lease``, ``DELETE Application``;
data holds ``code`` (the HTTP status), ``namespace``, ``name``, ``subresource`` (or empty) and the top-level fields of
the request's body (``metadata``, ``spec``, ``status``). Watch deliveries of the three custom resources: source
``Kubernetes``, target the client's name, name ``ADDED Device`` and so on, data ``namespace``, ``name`` and ``status``;
for a client with several watches, a delivery is recorded once for each change.
The correlation is the object's name for Devices and Applications, else empty.

An effect is recorded after its cause: a watch event of some resourceVersion follows the request that made that version,
although a real API server may deliver it before the writer has the answer. A tap with an ``order``
(:class:`harness.core.order.Order`) records through that, which reserves a place for the request. A tap with ``groups``
has the watch deliveries of these API groups, for a system whose custom resources are its own.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from pathlib import Path
from typing import ClassVar

from harness.clusters.gate import Gate
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.api import ResourceApi

__all__ = ["Cluster", "ClusterFactory"]


class Cluster(ABC):
    """A Kubernetes API for one stack, with Wasmbed's CRDs installed and the namespace created."""

    kind: ClassVar[str]
    shared: ClassVar[bool] = False
    """Whether several stacks can share a cluster at the same time, each in its own namespace."""
    keeps_state: ClassVar[bool] = False
    """Whether it can keep everything in a folder of the stack, its keyword ``state``, beyond the end of the process."""
    patience: ClassVar[float] = 120.0
    """Seconds after which :meth:`start` and :meth:`stop` are given up."""
    has_gates: ClassVar[bool] = True
    """Whether the requests of other programs pass the gate of :meth:`give_access`."""
    options: ClassVar[frozenset[str]] = frozenset()
    """The options of a stack that only some kinds have and this one takes, as keywords beside the factory's own."""

    can_restart: ClassVar[bool] = False
    """Whether :meth:`kill` and :meth:`restart` work; its keyword ``own_server`` then gives it a server of its own, with
    its data on disk."""

    @classmethod
    def unavailable(cls) -> str | None:
        """Why this kind cannot run here, in one line that says how to get it; None where it can."""
        return None

    @abstractmethod
    async def start(self) -> None:
        """Bring the API up. Raises :class:`harness.core.errors.RigError` saying what to do when it cannot."""

    async def check(self) -> None:  # noqa: B027, a cluster in this process has nothing to check
        """Asked when something went wrong: raises :class:`harness.core.errors.RigError` if it is the cluster."""

    async def lost(self) -> None:
        """Wait for as long as the API runs; raises :class:`harness.core.errors.RigError` when it ends by itself."""
        await asyncio.get_running_loop().create_future()

    @abstractmethod
    async def stop(self) -> None:
        """Leave nothing behind. May be called after a failed :meth:`start`."""

    async def kill(self) -> None:
        """End the API server's process at once (SIGKILL). What it acknowledged is on disk."""
        raise self._keeps_its_server()

    async def restart(self) -> None:
        """Start a server that was killed, at its address and with its data. Clients find their way back by
        themselves."""
        raise self._keeps_its_server()

    def _keeps_its_server(self) -> UsageError:
        do = "mark the test with requires('cluster-kill') and stack(own_server=True)"
        return UsageError("its API server cannot be killed", where=f"cluster {self.kind}", do=do)

    @abstractmethod
    def client(self, name: str) -> ResourceApi:
        """An API client that calls itself ``name`` (``Gateway``, ``DeviceController``, ``User``) in the record. It is
        closed by :meth:`stop` at the latest."""

    @abstractmethod
    async def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig with which ``kubectl`` reaches this cluster over a real socket."""

    async def give_access(self, name: str, path: Path, gate: Gate | None = None, clients: Collection[str] = ()) -> None:
        """Write a kubeconfig for another program, whose requests are recorded as those of ``name``, whatever it calls
        itself, and pass ``gate``; those whose user agent is one of ``clients`` are recorded as of that client. A kind
        that cannot do this writes the cluster's own. Raises UsageError where the file cannot be written."""
        await self.write_kubeconfig(path)


ClusterFactory = Callable[[Clock, Randomness, str, Tap | None], Cluster]
"""How a cluster kind is made: clock, randomness, namespace, tap."""
