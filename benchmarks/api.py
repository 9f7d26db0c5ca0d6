"""``api_list``: lists of 1,000 devices by the REST API, against the cluster's own lists of the same objects, in turns,
both compressed. ``api_get``: reads of one device beside a fleet that beats, all in this process. ``api_events``: the
time until a change has reached 200 subscribers."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from benchmarks.figure import Figure, middle
from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.embedded.messages import Request
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.stack import Stack, StackOptions
from harness.wasmbed.api.server import ApiServer
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.kinds import DEVICE

DEVICES = 1_000
LISTS = 30
ROUNDS = 5
BOARDS, BEAT, READS = 500, 5.0, 1_000
"""The fleet beside which a device is read, the seconds between two heartbeats of a board, and the reads."""
SUBSCRIBERS = 200
CHANGES = 40
COMPRESSED = {"Accept-Encoding": "gzip"}
STATUS = {"phase": "Connected", "gateway": "gateway-1", "health": "healthy", "deviceMetrics": {"uptime_ms": 1000}}


async def measure() -> list[Figure]:
    async with served(DEVICES) as (cluster, url, token):
        (host, port), authority, own_token = await cluster.listen()
        context = ssl.create_default_context(cadata=authority)
        path = f"https://{host}:{port}/apis/wasmbed.io/v1/namespaces/bench/devices"
        lists = f"{url}/api/v1/devices?limit={DEVICES}"
        rounds = []
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False) as session:
            for _ in range(ROUNDS):
                rate = await _rate(session, lists, token, None)
                rounds.append((rate, await _rate(session, path, own_token, context)))
            delays = await _delays(cluster, session, url, token)
    value, bare = middle(rounds)
    late = sorted(delays)[int(0.95 * len(delays))]
    slow = sorted(await _reads())[int(0.99 * READS)]
    return [
        Figure(
            "api_list", value, "1/s", "lists of the embedded cluster", bare, "at least 0.5 of the peer",
            lambda _, ratio: ratio >= 0.5,
        ),
        Figure(
            "api_get", 1000 * slow, "ms", f"a read beside {BOARDS} boards, p99", 20.0, "at most 20 ms",
            lambda value, _: value <= 20,
        ),
        Figure(
            "api_events", 1000 * late, "ms", f"{SUBSCRIBERS} subscribers, p95", 100.0, "at most 100 ms",
            lambda value, _: value <= 100,
        ),
    ]  # fmt: skip


@asynccontextmanager
async def served(devices: int) -> AsyncIterator[tuple[EmbeddedCluster, str, str]]:
    """A cluster with devices, and the REST API on it: the cluster, the API's address, and a token."""
    clock = SystemClock()
    cluster = EmbeddedCluster(clock, Randomness(), "bench")
    await cluster.start()
    api = cluster.client("Benchmark")
    for number in range(devices):
        name = f"device-{number:04}"
        await api.create(DEVICE, manifests.device(name, public_key=name.encode() * 4, device_type="mcu"))
        await api.patch_status(DEVICE, name, {"status": STATUS})
    settings = ApiSettings(rate=1e9, burst=10**9, subscribers=SUBSCRIBERS)
    server = ApiServer(settings, cluster.client("ApiServer"), clock, Randomness(), SystemNetwork())
    host, port = await server.start()
    try:
        yield cluster, f"http://{host}:{port}", await _token(cluster)
    finally:
        await server.stop()
        await cluster.stop()


async def _token(cluster: EmbeddedCluster) -> str:
    """A token of a ServiceAccount that may everything."""
    core, rights = "/api/v1/namespaces/bench/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1"
    subject = {"kind": "ServiceAccount", "name": "bench", "namespace": "bench"}
    binding = {
        "metadata": {"name": "bench"},
        "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    for path, body in (
        (core, {"metadata": {"name": "bench"}}),
        (f"{rights}/clusterrolebindings", binding),
        (f"{core}/bench/token", {"spec": {}}),
    ):
        request = Request("POST", path, {}, {"content-type": "application/json"}, body, "Benchmark", True)
        answer = await cluster.server.handle(request)
    return str(answer.content.value()["status"]["token"])


async def _rate(session: aiohttp.ClientSession, url: str, token: str, context: ssl.SSLContext | None) -> float:
    headers = {"Authorization": f"Bearer {token}", **COMPRESSED}
    begin = time.process_time()
    for _ in range(LISTS):
        async with session.get(url, headers=headers, ssl=context or True) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            await answer.read()
    return LISTS / (time.process_time() - begin)


async def _delays(cluster: EmbeddedCluster, session: aiohttp.ClientSession, url: str, token: str) -> list[float]:
    """The seconds from a change's write until each subscriber has read it."""
    api = cluster.client("Benchmark")
    async with AsyncExitStack() as streams:
        answers = []
        for _ in range(SUBSCRIBERS):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await streams.enter_async_context(session.get(f"{url}/api/v1/events", headers=headers))
            await answer.content.readuntil(b"\n\n")
            answers.append(answer)
        delays = []
        for number in range(CHANGES):
            begin = time.perf_counter()

            async def arrive(answer: aiohttp.ClientResponse, begin: float = begin) -> float:
                await answer.content.readuntil(b"\n\n")
                return time.perf_counter() - begin

            waits = [asyncio.create_task(arrive(answer)) for answer in answers]
            await api.patch_status(DEVICE, "device-0000", {"status": {"health": ("healthy", "degraded")[number % 2]}})
            delays += await asyncio.gather(*waits)
    return delays


async def _reads() -> list[float]:
    """The seconds of each read of a device, while a fleet of virtual boards beats."""
    async with Stack(StackOptions(boards="virtual", heartbeat=BEAT)) as stack:
        boards = await stack.boards.power_on(count=BOARDS)
        for board in boards:
            await stack.device(board).until(phase="Connected", within=120)
        rest = await stack.rest_api()
        path, took = f"/api/v1/devices/{boards[0].name}", []
        await rest.get(path)
        for _ in range(READS):
            begin = time.perf_counter()
            await rest.get(path)
            took.append(time.perf_counter() - begin)
            await stack.clock.sleep(0.02)
    return took
