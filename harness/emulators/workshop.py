"""Makes the boards of devices: finds their kind, gives them their identity, and hears of it when they end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from harness.boards.board import Board, BoardEnvironment, BoardSettings
from harness.boards.catalogue import Catalogue
from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.emulators.identities import Identities
from harness.gateways.program import describe_end
from harness.wasmbed.resources.views import Device

__all__ = ["GatewayAccess", "Workshop"]


@dataclass(frozen=True, slots=True)
class GatewayAccess:
    """Where boards find their gateway. ``server_name`` is the name in its certificate; ``others`` returns the gateways
    to which a bridge connects a board that one of them assigned to another."""

    endpoint: Endpoint
    server_name: str
    others: Callable[[], Collection[Endpoint]] = tuple


class Workshop:
    """Makes boards of the kinds in ``catalogue``."""

    def __init__(
        self,
        catalogue: Catalogue,
        identities: Identities,
        gateway: GatewayAccess,
        clock: Clock,
        network: Network,
        randomness: Randomness,
    ) -> None:
        self._catalogue, self._identities, self._gateway = catalogue, identities, gateway
        self._environment = BoardEnvironment(clock, network, randomness, faults=self._fault, gateways=gateway.others)
        self._handlers: list[Callable[[str, str, bool], object]] = []

    def on_ended(self, handler: Callable[[str, str, bool], object]) -> None:
        """Call ``handler`` with the device, the reason, and whether it failed, when a board ends by itself."""
        self._handlers.append(handler)

    async def make(self, device: Device) -> Board:
        """Return a board without power. Raises UsageError for an unknown kind, RigError for one that cannot run here,
        and :class:`ApiError`."""
        tier, kind, link = self._catalogue.find(device.spec.board.kind)
        credentials = await self._identities.get(device, ed25519="ed25519" in tier.features(kind))
        settings = BoardSettings(
            device.name, credentials, self._gateway.endpoint, server_name=self._gateway.server_name, link=link
        )
        return tier.make(kind, settings, self._environment)

    async def remove(self, device: str) -> None:
        """Delete the identity of a device's board."""
        await self._identities.remove(device)

    def _fault(self, source: str, target: str, name: str, data: Any, correlation: str) -> None:
        if name != "EmulatorEnded":
            return
        code, message = data.get("code"), data.get("message") or "the emulator ended"
        reason = message if code is None else f"{describe_end(code)}: {message}"
        for handler in self._handlers:
            handler(correlation, reason, code != 0)
