"""Emulator managers of a stack: boards that are asked for by Devices, beside those that a test powers on itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness.boards.board import Credentials
from harness.emulators.controller import BoardController
from harness.emulators.http_api import ConsoleRoutes
from harness.emulators.identities import Identities
from harness.emulators.manager import EmulatorManager, EmulatorSettings
from harness.emulators.workshop import GatewayAccess
from harness.stack.board_choice import board_catalogue
from harness.stack.credentials import Pki
from harness.stack.stack import Stack
from harness.wasmbed.controllers.probes import Probes
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.views import Device

__all__ = ["emulators"]


class KnownIdentities(Identities):
    """Identities whose keys the stack's relays have, so that they can read the boards' links."""

    def __init__(self, api: ResourceApi, pki: Pki) -> None:
        super().__init__(api, pki.devices, pki.servers.certificates)
        self._pki = pki

    async def get(self, device: Device, *, ed25519: bool) -> Credentials:
        credentials = await super().get(device, ed25519=ed25519)
        self._pki.know(credentials)
        return credentials


@asynccontextmanager
async def emulators(
    stack: Stack, name: str = "emulators-1", *, lease_duration: float = 15.0
) -> AsyncIterator[EmulatorManager]:
    """A manager whose boards use the stack's gateway; it is stopped in order at the end, unless it was killed.

    ``lease_duration`` is how many seconds other managers wait for it when it is silent.
    """
    endpoint = stack.gateway.endpoint
    catalogue = board_catalogue(stack.options)
    api = stack.cluster.client(BoardController.name)
    manager = EmulatorManager(
        EmulatorSettings(name, GatewayAccess(endpoint, endpoint[0]), lease_duration=lease_duration),
        api,
        KnownIdentities(api, stack.pki),
        catalogue,
        stack.clock,
        stack.network,
        stack.randomness.fork(name),
    )
    probes = Probes(manager, stack.clock, stack.network, more=ConsoleRoutes(manager.consoles).routes)
    manager.consoles.served_at("http://{}:{}".format(*await probes.start(("127.0.0.1", 0))))
    try:
        await manager.start()
        yield manager
    finally:
        await manager.stop()
        await probes.stop()
        await catalogue.close()
