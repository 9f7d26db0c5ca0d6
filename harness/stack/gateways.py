"""The gateway of a stack: start, stop, kill, restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.stack.credentials import Pki
from harness.stack.recorder import Recorder
from harness.stack.timeouts import bounded
from harness.stack.waiting import Watched
from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.views import Gateway as GatewayResource
from harness.wasmbed.resources.views import GatewayStatus

__all__ = ["GatewayControl"]

START = 60.0
STOP = 60.0


class GatewayControl(Watched[GatewayResource]):
    """One gateway that keeps its name, identity, and ports over restarts, so that devices can reconnect to it."""

    view = GatewayResource
    status_view = GatewayStatus

    def __init__(
        self,
        settings: GatewaySettings,
        pki: Pki,
        api: ResourceApi,
        clock: Clock,
        network: Network,
        randomness: Randomness,
        recorder: Recorder,
    ) -> None:
        super().__init__(settings.name, recorder.informer(GATEWAY), recorder.record)
        self._settings, self._pki, self._api = settings, pki, api
        self._clock, self._network, self._randomness, self._recorder = clock, network, randomness, recorder
        self._identities = pki.gateway(settings.name)
        self._gateway: Gateway | None = None

    @property
    def status(self) -> GatewayStatus:
        """The status of its resource, as last seen."""
        return self.resource.status

    @property
    def endpoint(self) -> Endpoint:
        """Its address for devices; the same after a restart."""
        return self._settings.listen

    @property
    def http_endpoint(self) -> Endpoint:
        """The address of its HTTP API; the same after a restart."""
        return self._settings.http

    @property
    def running(self) -> bool:
        return self._gateway is not None

    async def start(self) -> None:
        """Start it. Raises RigError if its port is taken."""
        if self._gateway is not None:
            raise UsageError("the gateway is running", where=self.name, do="stop or kill it first")
        gateway = Gateway(
            self._settings,
            self._identities,
            self._pki.certificates(),
            self._api,
            self._clock,
            self._network,
            self._randomness.fork(self.name),
            tap=self._recorder.platform,
            authority=self._pki.devices,
        )
        await bounded(self._clock, START, f"start of gateway {self.name}", gateway.start())
        self._gateway = gateway
        self._recorder.note("gateway up", gateway=self.name)
        self._settings = replace(self._settings, listen=gateway.endpoint, http=gateway.http_endpoint)

    async def stop(self) -> None:
        """Stop it gracefully: it tells its devices and drains. Does nothing if it is not running."""
        await self._end("stop", Gateway.stop)

    async def kill(self) -> None:
        """End it as if its process were killed: no device gets a message."""
        if self._gateway is not None:
            self._recorder.fault("kill gateway", "Gateway", gateway=self.name)
        await self.abandon()

    async def abandon(self) -> None:
        """End it at once, without recording a fault: for the end of a stack."""
        await self._end("kill", Gateway.kill)

    async def _end(self, what: str, end: Callable[[Gateway], Awaitable[None]]) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            self._recorder.note("gateway down", gateway=self.name)
            self._pki.gateway_stopped()
            await bounded(self._clock, STOP, f"{what} of gateway {self.name}", end(gateway))

    async def restart(self) -> None:
        """Stop it gracefully and start it again at the same addresses."""
        self._recorder.fault("restart gateway", "Gateway", gateway=self.name)
        await self.stop()
        await self.start()
