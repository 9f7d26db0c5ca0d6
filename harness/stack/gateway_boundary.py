"""The taps around a gateway that does not record itself: on its links and on its HTTP API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.ahead import Ahead
from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.gateways.gateway import Gateway
from harness.gateways.http_recorder import HttpRecorder
from harness.gateways.relay import LinkFault, Relay, Tamper
from harness.stack.credentials import Pki
from harness.stack.recorder import Recorder
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.protocol.dialects.wires import VERSION_1
from harness.wasmbed.resources.api import ResourceApi

__all__ = ["ANY_PORT", "GatewayAccess", "GatewayBoundary"]

ANY_PORT: Endpoint = ("127.0.0.1", 0)
NOWHERE: Endpoint = ("127.0.0.1", 1)
"""Where boards are sent before the gateway has started: to a port that refuses them."""


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """How a gateway reaches the cluster: a client in this process, or a kubeconfig for another one."""

    api: ResourceApi
    give_access: Callable[[Path], Awaitable[None]]


class GatewayBoundary:
    """Keeps its addresses over restarts of the gateway."""

    def __init__(
        self,
        settings: GatewaySettings,
        identities: Iterable[Identity],
        pki: Pki,
        clock: Clock,
        network: Network,
        recorder: Recorder,
        randomness: Randomness,
        tamper: Tamper | None = None,
        tunnel: bool = False,
        wire: str = VERSION_1,
        ahead: Ahead | None = None,
    ) -> None:
        """``tamper`` alters the frames of its links. ``tunnel``: pass on TLS that the harness has no identities for.
        ``wire`` is what its links speak. ``ahead`` is asked before frames."""
        self._http = HttpRecorder(settings.name, recorder.reserve, clock, network)
        self._relay = Relay(
            settings.listen,
            NOWHERE,
            () if tunnel else identities,
            pki.key_of,
            recorder.platform,
            clock,
            network,
            name=settings.name,
            device_authority=pki.devices.certificate,
            limit=settings.frame_limit,
            wire=wire,
            tamper=tamper,
            randomness=randomness,
            ahead=ahead,
            is_by_hand=recorder.is_by_hand,
        )
        self._prepared = False

    @property
    def endpoint(self) -> Endpoint:
        """Where boards connect."""
        return self._relay.endpoint

    @property
    def is_tunnel(self) -> bool:
        """Whether frames and devices of its links are not known."""
        return self._relay.is_tunnel

    def disturb(self, fault: LinkFault, device: str) -> None:
        """Disturb the links of a device, or all."""
        self._relay.disturb(fault, device)

    @property
    def api_url(self) -> str:
        """Where controllers and tests reach the HTTP API."""
        return self._http.url

    def advertised(self, settings: GatewaySettings) -> GatewaySettings:
        """The settings with these addresses as the ones that the gateway tells others; it listens elsewhere."""
        host, port = self.endpoint
        return replace(settings, listen=ANY_PORT, advertise=f"{host}:{port}", advertise_http=self.api_url)

    async def prepare(self) -> None:
        """Make the addresses known, before the gateway's first start."""
        if not self._prepared:
            self._prepared = True
            await self._relay.start()
            await self._http.start()

    def open(self, gateway: Gateway) -> None:
        """Let boards and controllers through to a gateway that has started."""
        self._relay.target = gateway.endpoint
        self._http.target = gateway.http_endpoint

    async def close(self) -> None:
        """End everything that is open."""
        if self._prepared:
            await self._relay.close()
            await self._http.stop()
