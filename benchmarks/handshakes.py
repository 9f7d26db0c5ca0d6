"""The bare peer of everything that speaks TLS: mutual handshakes between two ends on one loop, and nothing else."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from harness.core.clock import Clock
from harness.core.network import Network
from harness.core.tls_server import TlsServer
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.tls import client_context, tls_server


class Quiet(asyncio.Protocol):
    """An end that says nothing; the server's counts who came."""

    def __init__(self, made: asyncio.Queue[None] | None = None) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._made is not None:
            self._made.put_nowait(None)


def contexts(count: int, clock: Clock) -> tuple[TlsServer, list[ssl.SSLContext]]:
    """A server's parameters and ``count`` devices', with keys of the kind the platform uses by default."""
    servers, devices = Authority.create("servers", clock), Authority.create("devices", clock)
    clients = []
    for number in range(count):
        key = generate_key()
        identity = Identity(key, devices.issue_device(f"board-{number}", key.public_key()))
        clients.append(client_context(servers.certificate, identity))
    return tls_server((servers.issue_server("gateway"),), devices.certificate), clients


async def handshake_rate(count: int, clock: Clock, network: Network, concurrency: int = 64) -> float:
    """Complete mutual TLS 1.3 handshakes a second, ``count`` of them, ``concurrency`` under way at a time."""
    server_tls, client_tls = contexts(count, clock)
    made: asyncio.Queue[None] = asyncio.Queue()
    listener = await network.listen(lambda: Quiet(made), ("127.0.0.1", 0), tls=server_tls)
    places = asyncio.Semaphore(concurrency)
    ends: list[Quiet] = []

    async def call(tls: ssl.SSLContext) -> None:
        async with places:
            ends.append(await network.connect(Quiet, listener.endpoint, tls=tls, server_name="localhost"))

    start = clock.now()
    async with asyncio.TaskGroup() as group:
        for tls in client_tls:
            group.create_task(call(tls))
        for _ in client_tls:
            await made.get()
    elapsed = clock.now() - start
    for end in ends:
        end.transport.abort()
    await listener.close()
    return count / elapsed
