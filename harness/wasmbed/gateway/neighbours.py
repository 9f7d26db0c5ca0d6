"""The gateways on record, among which this one places the devices that enroll with it."""

from __future__ import annotations

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.gateway_address import GatewayAddress
from harness.wasmbed.gateway.own_spec import OwnSpec
from harness.wasmbed.gateway.placement import Candidate, choose_home
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import GATEWAY
from harness.wasmbed.resources.phases import GatewayPhase
from harness.wasmbed.resources.views import Gateway

__all__ = ["Neighbours"]


class Neighbours:
    """A copy of the Gateways that a watch keeps current. What it says of others is as old as their last beat.

    ``own_spec`` follows this gateway's own.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        sessions: Sessions,
        devices: DeviceCache,
        address: GatewayAddress,
        own_spec: OwnSpec,
    ) -> None:
        self._settings, self._sessions, self._devices, self._address = settings, sessions, devices, address
        self._informer = Informer(api, GATEWAY, clock, randomness)
        self._informer.add_handler(self._changed)
        self._own_spec = own_spec

    async def start(self) -> None:
        """Return when every Gateway is known."""
        await self._informer.start()

    async def stop(self) -> None:
        """Stop the watch."""
        await self._informer.stop()

    def home(self, device: str) -> Candidate:
        """Return the gateway that is to serve ``device``. Raises :class:`PeerRefused` if none has room."""
        settings = self._settings
        own = Candidate(settings.name, self._address.advertised, self._sessions.others(device), self._sessions.most)
        registered = self._devices.get(device)
        preferred = registered.spec.preferred_gateway if registered is not None else None
        home = choose_home(device, preferred, [own, *self._others()])
        if home is None:
            raise self._sessions.full()
        return home

    def _others(self) -> list[Candidate]:
        """Return the gateways that are Online and enabled, without those behind this one's own address: a device cannot
        choose among them."""
        found = (Gateway(each) for name, each in self._informer.objects.items() if name != self._settings.name)
        return [
            Candidate(each.name, each.spec.endpoint, each.status.connected_devices or 0, each.spec.capacity)
            for each in found
            if each.status.phase == GatewayPhase.ONLINE
            and each.spec.enabled
            and each.spec.endpoint not in ("", None, self._address.advertised)
        ]

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if (new or old or {})["metadata"]["name"] == self._settings.name:
            self._own_spec.follow(Gateway(new or {}).spec)
