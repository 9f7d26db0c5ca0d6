"""Emulator managers of a stack: boards that are asked for by Devices, beside those that a test powers on itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness.emulators.controller import BoardController
from harness.emulators.manager import EmulatorManager, EmulatorSettings
from harness.emulators.workshop import GatewayAccess
from harness.stack.board_choice import board_catalogue
from harness.stack.stack import Stack

__all__ = ["emulators"]


@asynccontextmanager
async def emulators(
    stack: Stack, name: str = "emulators-1", *, lease_duration: float = 15.0
) -> AsyncIterator[EmulatorManager]:
    """A manager whose boards use the stack's gateway; it is stopped in order at the end, unless it was killed.

    ``lease_duration`` is how many seconds other managers wait for it when it is silent.
    """
    endpoint = stack.gateway.endpoint
    catalogue = board_catalogue(stack.options)
    manager = EmulatorManager(
        EmulatorSettings(name, GatewayAccess(endpoint, endpoint[0]), lease_duration=lease_duration),
        stack.cluster.client(BoardController.name),
        stack.pki.devices,
        stack.pki.servers.certificates,
        catalogue,
        stack.clock,
        stack.network,
        stack.randomness.fork(name),
    )
    try:
        await manager.start()
        yield manager
    finally:
        await manager.stop()
        await catalogue.close()
