"""What the harness puts around a gateway that does not record itself: taps on its links and on its HTTP API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.clock import Clock
from harness.core.network import Endpoint, Network
from harness.gateways.gateway import Gateway
from harness.gateways.http_recorder import HttpRecorder
from harness.stack.credentials import Pki
from harness.stack.recorder import Recorder
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.resources.api import ResourceApi

__all__ = ["ANY_PORT", "GatewayAccess", "GatewayBoundary"]

ANY_PORT: Endpoint = ("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """How a gateway reaches the cluster: a client in this process, or a kubeconfig for another one."""

    api: ResourceApi
    give_access: Callable[[Path], Awaitable[None]]


class GatewayBoundary:
    """Keeps its addresses over restarts of the gateway."""

    def __init__(
        self, settings: GatewaySettings, pki: Pki, clock: Clock, network: Network, recorder: Recorder
    ) -> None:
        self._http = HttpRecorder(settings.name, recorder.reserve, clock, network)
        self._endpoint = settings.listen
        self._prepared = False

    @property
    def endpoint(self) -> Endpoint:
        """Where boards connect."""
        return self._endpoint

    @property
    def api_url(self) -> str:
        """Where controllers and tests reach the HTTP API."""
        return self._http.url

    def advertised(self, settings: GatewaySettings) -> GatewaySettings:
        """The settings with these addresses as the ones that the gateway tells others."""
        return replace(settings, advertise_http=self.api_url)

    async def prepare(self) -> None:
        """Make the addresses known, before the gateway's first start."""
        if not self._prepared:
            self._prepared = True
            await self._http.start()

    async def open(self, gateway: Gateway) -> None:
        """Let boards and controllers through to a gateway that has started."""
        self._endpoint = gateway.endpoint
        self._http.target = gateway.http_endpoint

    async def refuse(self) -> None:
        """Let no new connection through: the gateway is about to end."""

    async def close(self) -> None:
        """End everything."""
        await self._http.stop()
