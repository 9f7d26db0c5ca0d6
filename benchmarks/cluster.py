"""``cluster_patch_rate``: status patches at the embedded API over HTTP, against a handler that echoes the bodies."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import yaml
from aiohttp import web

from benchmarks.figure import Figure, middle
from benchmarks.world import platform
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import Clock, SystemClock
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.keys import generate_key, public_key_der
from harness.wasmbed.pki.tls import client_context, tls_server
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.kinds import DEVICE

DEVICES = 50
PATCHES = 2000
AT_ONCE = 16
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


def body(number: int) -> bytes:
    """The status that a gateway writes at a heartbeat."""
    metrics = {"uptime_ms": number, "memory_used_bytes": 4096, "applications_running": 1}
    status = {"lastHeartbeat": "2026-01-01T00:00:00Z", "health": "healthy", "deviceMetrics": metrics}
    return orjson.dumps({"status": status})


async def rate(session: aiohttp.ClientSession, urls: list[str], clock: Clock, options: dict[str, Any]) -> float:
    """Patches a second, client included, ``AT_ONCE`` of them under way at a time."""
    numbers = iter(range(PATCHES))

    async def worker() -> None:
        for number in numbers:
            url = urls[number % len(urls)]
            async with session.patch(url, data=body(number), **options) as response:
                answer = orjson.loads(await response.read())
                if response.status != 200 or "status" not in answer:
                    raise RuntimeError(f"the server answered {response.status}: {answer}")

    start = clock.now()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return PATCHES / (clock.now() - start)


async def measure() -> list[Figure]:
    clock = SystemClock()
    authority = Authority.create("echo", clock)
    async with platform() as running, aiohttp.ClientSession() as session:
        api = running.cluster.client("Benchmark")
        for number in range(DEVICES):
            key = public_key_der(generate_key().public_key())
            await api.create(DEVICE, manifests.device(f"device-{number}", public_key=key, device_type="virtual"))
        base, options = await _access(running.cluster)
        root = f"{base}/apis/wasmbed.io/v1/namespaces/wasmbed/devices"
        urls = [f"{root}/device-{number}/status" for number in range(DEVICES)]

        echo = web.Server(_echo)
        tls = tls_server((authority.issue_server("echo"),), authority.certificate)
        listener = await running.world.network.listen(echo, ("127.0.0.1", 0), tls=tls)
        peer = f"https://127.0.0.1:{listener.endpoint[1]}/"
        trust = {"ssl": client_context(authority.certificate, None), "headers": MERGE_PATCH}
        rounds = []
        for _ in range(5):
            bare = await rate(session, [peer], clock, trust)
            rounds.append((await rate(session, urls, clock, options), bare))
        await listener.close()
        await echo.shutdown()
    value, bare = middle(rounds)
    return [
        Figure(
            "cluster_patch_rate",
            value,
            "1/s",
            "a bare aiohttp handler echoing the bodies",
            bare,
            "at least 0.4 of the peer",
            lambda _, ratio: ratio >= 0.4,
        )
    ]


async def _echo(request: web.BaseRequest) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/json")


async def _access(cluster: EmbeddedCluster) -> tuple[str, dict[str, Any]]:
    """Where the API is, and what a request to it needs, as its kubeconfig says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kubeconfig"
        await cluster.write_kubeconfig(path)
        config = yaml.safe_load(path.read_text())
    place, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cadata=b64decode(place["certificate-authority-data"]).decode())
    return place["server"], {"ssl": trust, "headers": {"Authorization": f"Bearer {user['token']}"} | MERGE_PATCH}
