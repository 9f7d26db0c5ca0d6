"""The platform without a recorder: what is measured is the product, not the harness that watches it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials
from harness.boards.virtual import VirtualTier
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import Clock, SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network, SystemNetwork
from harness.wasmbed.controllers import ControllerManager
from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.keys import PrivateKey, generate_key, private_key_der, public_key_der
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE


@dataclass
class Platform:
    """A running platform, and boards to go with it."""

    cluster: EmbeddedCluster
    gateway: Gateway
    world: BoardEnvironment
    servers: Authority
    devices: Authority
    tier: VirtualTier = field(default_factory=VirtualTier)
    keys: dict[bytes, PrivateKey] = field(default_factory=dict)
    """The boards' keys, by their public keys (DER)."""

    def boards(self, count: int, prefix: str = "board", gateway: Endpoint | None = None) -> list[Board]:
        """Boards with certificates, switched off."""
        gateway = gateway or self.gateway.endpoint
        return make_boards(count, prefix, gateway, self.servers, self.devices, self.tier, self.world, self._keep)

    def _keep(self, key: PrivateKey) -> None:
        self.keys[public_key_der(key.public_key())] = key

    async def all_connected(
        self, names: set[str], one: Callable[[], object] = lambda: None, within: float = 300.0
    ) -> None:
        """Return when every Device of ``names`` is Connected in the cluster; ``one`` is called at each."""
        client = self.cluster.client("Benchmark")
        await until_connected(client, self.world.clock, names, one, within)


async def until_connected(
    api: ResourceApi,
    clock: Clock,
    names: set[str],
    one: Callable[[], object] = lambda: None,
    within: float = 300.0,
) -> None:
    """Return when every Device of ``names`` is Connected in the cluster; ``one`` is called at each."""
    waiting = set(names)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    informer = Informer(api, DEVICE, clock, Randomness())

    def look(_old: Object | None, device: Object | None) -> None:
        if device is None or device["metadata"]["name"] not in waiting:
            return
        if device.get("status", {}).get("phase") == "Connected":
            waiting.discard(device["metadata"]["name"])
            one()
        if not waiting and not done.done():
            done.set_result(None)

    informer.add_handler(look)
    await informer.start()
    try:
        async with clock.deadline(within):
            await done
    finally:
        await informer.stop()


def make_boards(
    count: int,
    prefix: str,
    gateway: Endpoint,
    servers: Authority,
    devices: Authority,
    tier: VirtualTier,
    world: BoardEnvironment,
    made: Callable[[PrivateKey], object] = lambda key: None,
) -> list[Board]:
    """Boards with certificates, switched off, for a gateway that may be in another process; ``made`` is called with
    each board's key."""

    def board(name: str) -> Board:
        key = generate_key()
        made(key)
        certificate = devices.issue_device(name, key.public_key())
        credentials = Credentials(servers.certificate, private_key_der(key), certificate)
        return tier.make("virtual", BoardSettings(name, credentials, gateway, gateway[0]), world)

    return [board(f"{prefix}-{number}") for number in range(count)]


@asynccontextmanager
async def platform(clock: Clock | None = None, network: Network | None = None) -> AsyncIterator[Platform]:
    """Bring the platform up, without boards, and take everything down again."""
    clock, network, randomness = clock or SystemClock(), network or SystemNetwork(), Randomness()
    cluster = EmbeddedCluster(clock, randomness)
    await cluster.start()
    servers, devices = Authority.create("servers", clock), Authority.create("devices", clock)
    gateway = Gateway(
        GatewaySettings(listen=("127.0.0.1", 0), http=("127.0.0.1", 0)),
        (servers.issue_server("gateway-1"),),
        CertificateManager(devices.certificate, clock),
        cluster.client("Gateway"),
        clock,
        network,
        randomness,
        authority=devices,
    )
    controllers = ControllerManager(cluster.client, clock, randomness)
    await controllers.start()
    await gateway.start()
    running = Platform(cluster, gateway, BoardEnvironment(clock, network, randomness), servers, devices)
    try:
        yield running
    finally:
        await running.tier.close()
        await gateway.kill()
        await controllers.stop()
        await cluster.stop()
