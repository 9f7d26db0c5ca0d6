"""The controllers of one process, with their shared informers, their lease, and their orderly shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.network import Network, SystemNetwork
from harness.wasmbed.controllers.application import ApplicationController
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.controllers.device import DeviceController
from harness.wasmbed.controllers.device_index import DeviceIndex
from harness.wasmbed.controllers.event_recorder import EventRecorder
from harness.wasmbed.controllers.gateway import GatewayController
from harness.wasmbed.controllers.gateway_client import GatewayClient, HttpGatewayClient
from harness.wasmbed.controllers.lease import LeaderLease
from harness.wasmbed.controllers.packages import Packages
from harness.wasmbed.controllers.requests import Requests
from harness.wasmbed.resources.api import ApiError, Resource, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
from harness.wasmbed.resources.modules import ConfigMapModuleStore
from harness.wasmbed.resources.names import CONTROLLER_LEASE

__all__ = ["CLIENTS", "CONTROLLERS", "OWN_CLIENT", "ControllerManager", "ControllerSettings", "lease_of"]

log = get_log(__name__)

_KINDS: Mapping[str, type[Controller]] = {
    "device": DeviceController,
    "application": ApplicationController,
    "gateway": GatewayController,
}
CONTROLLERS = tuple(_KINDS)
"""The names by which a manager and ``wasmbed controllers`` choose controllers."""

OWN_CLIENT = "ControllerManager"
"""The name of the client that holds the lease."""
CLIENTS = (*(kind.name for kind in _KINDS.values()), EventRecorder.name, OWN_CLIENT)
"""The names of all clients of a manager."""


def lease_of(controller: str) -> str:
    """The Lease of managers that run only this controller."""
    return f"wasmbed-{controller}-controller"


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """Times in seconds."""

    resync: float = 300.0
    """Every object is reconciled this often, even if nothing has changed."""
    unreachable_after: float = 900.0
    """The time that a device is Disconnected before it is Unreachable, counted anew by each leader."""
    missed_beats: int = 3
    """Beats that a gateway misses before it is Offline."""
    beat: float = 10.0
    """The time between two beats, for a gateway whose status does not name it."""
    answer_within: float = 120.0
    """The time that a device has for a whole deployment."""
    attempts: int = 5
    """Deployments in a row that a connected device may leave unanswered."""
    stop_within: float = 30.0
    """The time that a device has to confirm a stop."""
    request_within: float = 10.0
    """The time that a gateway has to answer a request."""
    lease_duration: float = 15.0
    """The time that other managers wait for a silent leader."""
    lease_name: str = CONTROLLER_LEASE
    finish_within: float = 5.0
    """The time to finish present work when the manager is stopped."""


class ControllerManager:
    """Controllers, each on its own client ``clients(<name>)``. Of several managers, the lease's holder acts.

    ``identity`` names this manager in the lease. ``gateway_client`` replaces the gateways' HTTP API, which is on
    ``network``, by default the system's. ``controllers`` are those to run, of :data:`CONTROLLERS`: the cluster may have
    no Applications, or another manager runs the others.
    """

    def __init__(
        self,
        clients: Callable[[str], ResourceApi],
        clock: Clock,
        randomness: Randomness,
        *,
        settings: ControllerSettings | None = None,
        identity: str | None = None,
        gateway_client: GatewayClient | None = None,
        network: Network | None = None,
        controllers: Collection[str] = CONTROLLERS,
    ) -> None:
        self.settings = settings or ControllerSettings()
        self.identity = identity or f"controllers-{randomness.token(4)}"
        self._clients, self._clock, self._randomness = clients, clock, randomness
        self._given_client, self._network = gateway_client, network or SystemNetwork()
        self._chosen = controllers
        self._client: GatewayClient | None = None
        self._apis: dict[str, ResourceApi] = {}
        self._informers: list[Informer] = []
        self._controllers: list[Controller] = []
        self._lease: LeaderLease | None = None
        self._task: asyncio.Task[None] | None = None
        self._finishing, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._broken = False

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """The controllers, between start and stop."""
        return tuple(self._controllers)

    @property
    def synced(self) -> bool:
        """Whether the local copies are complete, so that this manager acts as soon as it holds the lease."""
        return self._task is not None and not self._finishing.is_set()

    @property
    def healthy(self) -> bool:
        """False once a controller or the claim on the lease ended by an error: only a new start helps."""
        return not self._broken and not (self._task is not None and self._task.done())

    @property
    def leading(self) -> bool:
        """Whether this manager is the one that acts."""
        return self._lease is not None and self._lease.leading

    async def start(self) -> None:
        """Read the cluster and stand for the lease; returns when the local copies are complete."""
        if self._task is not None:
            return
        self._finishing.clear()
        self._broken = False
        self._build()
        await asyncio.gather(*(informer.start() for informer in self._informers))
        assert self._lease is not None
        self._task = asyncio.create_task(self._lease.run(self._reconcile), name=self.identity)

    async def stop(self) -> None:
        """Finish the present work, give the lease back, and close all informers and clients."""
        if self._task is not None:
            self._finishing.set()
            await self._idle.wait()
            if not self._broken:  # else it ends by itself, and is giving the lease back
                self._task.cancel()
        await self._end()

    async def kill(self) -> None:
        """End at once: present work is cut, and the lease is not given back."""
        if self._lease is not None:
            self._lease.abandon()
        if self._task is not None:
            self._task.cancel()
        await self._end()

    async def _end(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])
            self._task = None
        await asyncio.gather(*(informer.stop() for informer in self._informers))
        if self._client is not None:
            await self._client.close()
        await asyncio.gather(*(api.close() for api in self._apis.values()))
        self._apis, self._informers, self._controllers, self._lease = {}, [], [], None

    def _build(self) -> None:
        """Make the clients, informers, controllers, and the lease, all new for each start."""
        names = [kind.name for key, kind in _KINDS.items() if key in self._chosen]
        self._apis = {name: self._clients(name) for name in (*names, EventRecorder.name, OWN_CLIENT)}
        device_index = DeviceIndex(self._informer(DeviceController, DEVICE), self._informer(GatewayController, GATEWAY))
        if set(self._chosen) == {"gateway"}:
            self._informers.remove(device_index.devices)
        makers = {
            "device": self._device_controller,
            "gateway": self._gateway_controller,
            "application": self._application_controller,
        }
        self._controllers = [make(device_index) for key, make in makers.items() if key in self._chosen]
        self._controllers.append(self._event_recorder())
        self._lease = LeaderLease(
            self._apis[OWN_CLIENT],
            self.settings.lease_name,
            self.identity,
            self._clock,
            self._randomness,
            duration=self.settings.lease_duration,
        )

    def _informer(self, controller: type[Controller], resource: Resource) -> Informer:
        """A copy on the client of ``controller``, or of another one where it does not run here."""
        api = self._apis.get(controller.name) or next(iter(self._apis.values()))
        informer = Informer(api, resource, self._clock, self._randomness)
        self._informers.append(informer)
        return informer

    def _device_controller(self, device_index: DeviceIndex) -> Controller:
        return DeviceController(
            self._apis[DeviceController.name],
            device_index.devices,
            device_index.gateways,
            self._clock,
            self._randomness,
            resync=self.settings.resync,
            unreachable_after=self.settings.unreachable_after,
        )

    def _gateway_controller(self, device_index: DeviceIndex) -> Controller:
        return GatewayController(
            self._apis[GatewayController.name],
            device_index.gateways,
            self._clock,
            self._randomness,
            missed_beats=self.settings.missed_beats,
            beat=self.settings.beat,
            resync=self.settings.resync,
        )

    def _application_controller(self, device_index: DeviceIndex) -> Controller:
        settings, clock, randomness = self.settings, self._clock, self._randomness
        api, applications = self._apis[ApplicationController.name], self._informer(ApplicationController, APPLICATION)
        packages = Packages(ConfigMapModuleStore(api))
        self._client = self._given_client or HttpGatewayClient(
            api, clock, self._network, answer_within=settings.request_within
        )
        requests = Requests(
            api,
            applications,
            device_index,
            packages,
            self._client,
            clock,
            randomness,
            stop_within=settings.stop_within,
        )
        return ApplicationController(
            api,
            applications,
            device_index,
            packages,
            requests,
            clock,
            randomness,
            resync=settings.resync,
            answer_within=settings.answer_within,
            attempts=settings.attempts,
        )

    def _event_recorder(self) -> Controller:
        """The recorder of the objects whose controllers run here, so that no Event is written twice."""
        chosen = {{"device": DEVICE, "application": APPLICATION, "gateway": GATEWAY}[key] for key in self._chosen}
        return EventRecorder(
            self._apis[EventRecorder.name],
            [informer for informer in self._informers if informer.resource in chosen],
            self._clock,
            self._randomness,
            instance=self.identity,
        )

    async def _catch_up(self) -> None:
        """Wait until the copies have what the manager before wrote last: moves are judged by them."""
        try:
            await asyncio.gather(*(informer.catch_up(self.settings.request_within) for informer in self._informers))
        except (OSError, ApiError) as error:
            log.warning("the copies may be behind: %s", reason(error))

    async def _reconcile(self) -> None:
        """Run the controllers until this is cancelled; after a call of :meth:`stop`, only finish present work.

        Returns, and so gives the lease back, if one of them ended by an error.
        """
        await self._catch_up()
        self._idle.clear()
        running: list[asyncio.Task[Any]] = [
            asyncio.create_task(controller.run(), name=controller.name) for controller in self._controllers
        ]
        finishing = asyncio.create_task(self._finishing.wait(), name="finishing")
        try:
            await asyncio.wait({*running, finishing}, return_when=asyncio.FIRST_COMPLETED)
            for controller in self._controllers:
                controller.finish()
            with suppress(TimeoutError):
                async with self._clock.deadline(self.settings.finish_within):
                    await asyncio.wait(running)
            for task in running:
                if task.done() and (error := task.exception()):
                    log.error("%s ended", task.get_name(), exc_info=error)
                    self._broken = True
        finally:
            for task in (*running, finishing):
                task.cancel()
            await asyncio.wait({*running, finishing})
            self._idle.set()
        if not self._broken:
            await asyncio.Event().wait()
