"""``session_memory``: what one connected, idle device costs the gateway, against a bare TLS connection.

Each server is alone in a process of its own, on the same kind of event loop, and is asked for its memory before and
after the connections are made; boards, cluster and controllers live in this process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.child import Child, asked, child
from benchmarks.figure import Figure
from benchmarks.handshakes import Quiet
from benchmarks.world import Platform, platform
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, SystemNetwork
from harness.wasmbed.gateway.gateway import Gateway
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.tls import client_context, tls_server
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

DEVICES = 1000
WARM_UP = 100
KIB = 1024


def resident() -> int:
    """Bytes of this process that are in memory and its own (Linux: anonymous pages)."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * KIB
    raise RuntimeError("this system does not tell a process's anonymous memory")


# The server's process: it starts a server, prints its address, and answers each line it reads with its memory.


async def serve(what: str, folder: Path) -> None:
    clock, network = SystemClock(), SystemNetwork()
    servers, devices = Authority.load(folder / "servers", clock), Authority.load(folder / "devices", clock)
    identity = servers.issue_server("measured")
    async with AsyncExitStack() as ends:
        if what == "gateway":
            api = await KubernetesApi.open("wasmbed", kubeconfig=folder / "kubeconfig", name="Gateway")
            ends.push_async_callback(api.close)
            settings = GatewaySettings(name="measured", listen=("127.0.0.1", 0), http=("127.0.0.1", 0))
            judge = CertificateManager(devices.certificate, clock)
            gateway = Gateway(settings, (identity,), judge, api, clock, network, Randomness(), authority=devices)
            await gateway.start()
            ends.push_async_callback(gateway.kill)
            endpoint = gateway.endpoint
        else:
            tls = tls_server((identity,), devices.certificate)
            listener = await network.listen(Quiet, ("127.0.0.1", 0), tls=tls)
            ends.push_async_callback(listener.close)
            endpoint = listener.endpoint
        print(json.dumps(endpoint), flush=True)
        async for _ in asked():
            print(resident(), flush=True)


class Server:
    """The other process."""

    def __init__(self, process: Child, endpoint: Endpoint) -> None:
        self._process, self.endpoint = process, endpoint

    async def memory(self) -> int:
        self._process.ask("memory")
        return int(await self._process.answer())


@asynccontextmanager
async def server(what: str, folder: Path) -> AsyncIterator[Server]:
    async with child("benchmarks.memory", what, str(folder)) as process:
        host, port = json.loads(await process.answer())
        yield Server(process, (host, port))


async def bare_connection(folder: Path, servers: Authority, devices: Authority) -> float:
    """Bytes for each idle connection of a server that does TLS and nothing else."""
    network, ends = SystemNetwork(), []
    key = generate_key()
    tls = client_context(servers.certificate, Identity(key, devices.issue_device("board", key.public_key())))

    async def connect(count: int, tls: ssl.SSLContext) -> None:
        ends.extend(
            [await network.connect(Quiet, bare.endpoint, tls=tls, server_name="127.0.0.1") for _ in range(count)]
        )

    async with server("bare", folder) as bare:
        await connect(WARM_UP, tls)
        before = await bare.memory()
        await connect(DEVICES, tls)
        cost = (await bare.memory() - before) / DEVICES
        for end in ends:
            end.transport.abort()
    return cost


async def session(folder: Path, running: Platform) -> float:
    """Bytes for each connected, idle device of a gateway."""
    await running.cluster.write_kubeconfig(folder / "kubeconfig")
    async with server("gateway", folder) as gateway:
        boards: list[Any] = []
        costs = []
        for count, prefix in ((WARM_UP, "warm-up"), (DEVICES, "board")):
            batch = running.boards(count, prefix, gateway.endpoint)
            for start in range(0, count, 50):
                some = batch[start : start + 50]
                connected = asyncio.create_task(running.all_connected({board.name for board in some}))
                for board in some:
                    await board.power_on()
                await connected
            boards += batch
            costs.append(await gateway.memory())
        await asyncio.gather(*(board.cut_power() for board in boards))
    return (costs[1] - costs[0]) / DEVICES


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with platform() as running:
            running.servers.save(folder / "servers")
            running.devices.save(folder / "devices")
            bare = await bare_connection(folder, running.servers, running.devices)
            cost = await session(folder, running)
    return [
        Figure(
            "session_memory",
            cost / KIB,
            "KiB",
            "a bare TLS connection, same loop",
            bare / KIB,
            "at most 1.6 times the peer's and 64 KiB",
            lambda value, ratio: ratio <= 1.6 and value <= 64,
        )
    ]


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
