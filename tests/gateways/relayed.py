"""The gateway's world with a relay before it: both record the same links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from harness.core.clock import Clock, SystemClock
from harness.gateways.relay import Relay
from harness.wasmbed.gateway import Gateway
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import PrivateKey
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.link import Link, Side
from tests.gateway.world import Event, ScriptedDevice, World

LOCAL = ("127.0.0.1", 0)


class RelayedWorld(World):
    """Devices connect to ``relay``. What it reports is in ``relayed``, and the gateway's own record in ``events``."""

    def __init__(self, clock: Clock, tunnel: bool = False, **options: Any) -> None:
        relay = {name: options.pop(name) for name in ("tamper", "limit") if name in options}
        super().__init__(clock, **options)
        self.relayed: list[Event] = []
        self.keys: dict[bytes, PrivateKey] = {}
        self.relay = Relay(
            LOCAL,
            LOCAL,
            () if tunnel else self.identities,
            self.keys.get,
            self._relayed,
            clock,
            self.network,
            name="gateway-1",
            device_authority=self.devices.certificate,
            **relay,
        )

    def _relayed(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        if "relayed" in data:  # what the gateway cannot know
            data = {key: value for key, value in data.items() if key != "relayed"}
        self.relayed.append((source, target, name, data, correlation))
        self.recorded.set()
        self.recorded = asyncio.Event()

    def make_identity(self, name: str, authority: Authority | None = None, **overrides: Any) -> Identity:
        identity = super().make_identity(name, authority, **overrides)
        self.keys[identity.public_key_der] = identity.private_key
        return identity

    async def dial(self, identity: Identity | None, gateway: Gateway | None = None) -> ScriptedDevice:
        tls = client_context(self.servers.certificates, identity, self.clock)
        link = await self.network.connect(
            lambda: Link(Side.DEVICE, opened=lambda link: None), self.relay.endpoint, tls=tls, server_name="localhost"
        )
        self.stack.callback(link.abort)
        return ScriptedDevice(self, link, identity)

    async def until_relayed(self, name: str, count: int = 1) -> list[Event]:
        """Wait until the relay has reported ``count`` events of this name; returns them."""
        await self.until_true(lambda: len(self.of_relay(name)) >= count)
        return self.of_relay(name)

    async def until_true(self, condition: Any) -> None:
        """Wait until an event of either record makes ``condition`` true."""
        while not condition():
            await self.recorded.wait()

    def of_links(self) -> list[Event]:
        """The events that the gateway itself reported of its links."""
        return [event for event in self.events if {event[0], event[1]} == {"Device", "Gateway"}]

    def of_relay(self, name: str) -> list[Event]:
        return [event for event in self.relayed if event[2] == name]


@asynccontextmanager
async def relayed_world(**options: Any) -> AsyncIterator[RelayedWorld]:
    """A world with a gateway that is started and a relay before it, both stopped at the end."""
    world = RelayedWorld(SystemClock(), **options)
    await world.controller.start()
    try:
        await world.gateway.start()
        world.relay.target = world.gateway.endpoint
        await world.relay.start()
        yield world
    finally:
        await world.stack.aclose()
        await world.relay.close()
        await world.gateway.kill()
        await world.controller.stop()
