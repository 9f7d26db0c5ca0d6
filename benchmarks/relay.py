"""``relay_enroll_rate`` and ``relay_delay``: what the recording relay between boards and a gateway costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median, quantiles

from benchmarks.enrollment import enroll_rate
from benchmarks.figure import Figure, middle
from benchmarks.world import Platform, platform
from harness.core.clock import Clock, SystemClock
from harness.core.history import History, Kind
from harness.core.network import Endpoint, Network, SystemNetwork
from harness.gateways.relay import Relay
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import PrivateKey, generate_key
from harness.wasmbed.pki.tls import client_context, tls_server
from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import Heartbeat, HeartbeatAcknowledgment

LOCAL: Endpoint = ("127.0.0.1", 0)
BOARDS = 400
FRAMES = 1000
HEARTBEAT = Heartbeat("3f2b8c1e-0000-4000-8000-000000000001", 1000, "running", {"uptime_ms": 1000}, "ready")


@asynccontextmanager
async def relayed(
    target: Endpoint,
    servers: Authority,
    devices: Authority,
    keys: dict[bytes, PrivateKey],
    clock: Clock,
    network: Network,
) -> AsyncIterator[Relay]:
    """A relay before a gateway, which records into a history as in a test."""
    history = History(clock)

    def tap(source: str, target: str, name: str, data: object, correlation: str) -> None:
        history.record(Kind.MESSAGE, source, target, name, data, correlation)  # type: ignore[arg-type]

    identities = (servers.issue_server("gateway-1"),)
    authority = devices.certificate
    relay = Relay(
        LOCAL, target, identities, keys.get, tap, clock, network, name="gateway-1", device_authority=authority
    )
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()


async def rates(running: Platform, number: int, clock: Clock, network: Network) -> tuple[float, float]:
    """Enrollments a second through a relay and without it."""
    endpoint = running.gateway.endpoint
    async with relayed(endpoint, running.servers, running.devices, running.keys, clock, network) as relay:
        through = await enroll_rate(running, BOARDS, f"relayed-{number}", relay.endpoint)
    return through, await enroll_rate(running, BOARDS, f"direct-{number}")


async def delays(clock: Clock, network: Network) -> tuple[float, float]:
    """The time that the relay adds to a frame (95th percentile), and a round trip without it (median), in ms."""
    servers, devices, key = Authority.create("servers", clock), Authority.create("devices", clock), generate_key()
    board = Identity(key, devices.issue_device("board", key.public_key()))
    tasks: set[asyncio.Task[None]] = set()

    async def answer(link: Link) -> None:
        try:
            while True:
                link.send(HeartbeatAcknowledgment(0), (await link.receive()).message_id)
        except LinkClosed:
            return

    def opened(link: Link) -> None:
        tasks.add(asyncio.create_task(answer(link)))

    tls = tls_server((servers.issue_server("gateway-1"),), devices.certificate)
    listener = await network.listen(lambda: Link(Side.GATEWAY, opened=opened), LOCAL, tls=tls)
    keys = {board.public_key_der: board.private_key}
    async with relayed(listener.endpoint, servers, devices, keys, clock, network) as relay:
        times = []
        for endpoint in (listener.endpoint, relay.endpoint):
            context = client_context(servers.certificate, board, clock)
            link = await network.connect(
                lambda: Link(Side.DEVICE, opened=lambda link: None), endpoint, tls=context, server_name="localhost"
            )
            times.append([await round_trip(link, clock) for _ in range(FRAMES)][FRAMES // 10 :])
            link.abort()
    await listener.close()
    await asyncio.gather(*tasks)
    direct, through = times
    return 1000 * (quantiles(through, n=20)[-1] - median(direct)) / 2, 1000 * median(direct)


async def round_trip(link: Link, clock: Clock) -> float:
    begin = clock.now()
    link.send(HEARTBEAT)
    await link.receive()
    return clock.now() - begin


async def measure() -> list[Figure]:
    clock, network = SystemClock(), SystemNetwork()
    async with platform(clock, network) as running:
        await enroll_rate(running, 50, "warm-up")
        rounds = [await rates(running, number, clock, network) for number in range(3)]
    through, direct = middle(rounds)
    added, bare = sorted([await delays(clock, network) for _ in range(3)])[1]
    return [
        Figure(
            "relay_enroll_rate",
            through,
            "1/s",
            "without a relay",
            direct,
            "at least 0.5 of the peer",
            lambda _, ratio: ratio >= 0.5,
        ),
        Figure(
            "relay_delay",
            added,
            "ms",
            "a round trip without a relay",
            bare,
            "at most 1 ms a frame (95th percentile)",
            lambda value, _: value <= 1.0,
        ),
    ]
