"""Two API servers beside each other, and requests to them over their sockets."""

from __future__ import annotations

import asyncio
import base64
import io
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from yarl import URL

from harness.clusters.apiserver import ApiserverCluster
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness

__all__ = ["Answer", "ServerUnderTest", "both"]

_ANSWERS_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers by their names in lower case (several of one name, in a list), and the body."""

    status: int
    headers: Mapping[str, list[str]]
    body: bytes


class ServerUnderTest:
    """A server that takes requests."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        self._session, self._address, self._token = session, address, token

    async def send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str | None]) -> Answer:
        """Send a request as it is: the path is not normalised, and redirects are not followed."""
        given: dict[str, str | None] = {
            "Authorization": f"Bearer {self._token}",
            "User-Agent": "kube-diff/1.0",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **headers,
        }
        left_out = [name for name, value in given.items() if value is None]
        sent = {name: value for name, value in given.items() if value is not None}
        url = URL(self._address + target, encoded=True)
        async with self._session.request(
            method,
            url,
            data=None if body is None else io.BytesIO(body),
            headers=sent,
            skip_auto_headers=left_out,
            allow_redirects=False,
        ) as response:
            found: dict[str, list[str]] = {}
            for name, value in response.headers.items():
                found.setdefault(name.lower(), []).append(value)
            return Answer(response.status, found, await response.read())


@asynccontextmanager
async def both() -> AsyncIterator[tuple[ServerUnderTest, ServerUnderTest]]:
    """The real server and the embedded one."""
    async with _serving(ApiserverCluster) as real, _serving(EmbeddedCluster) as embedded:
        yield real, embedded


@asynccontextmanager
async def _serving(kind: type[ApiserverCluster | EmbeddedCluster]) -> AsyncIterator[ServerUnderTest]:
    cluster = kind(SystemClock(), Randomness(), f"kube-diff-{Randomness().token(4)}")
    with tempfile.TemporaryDirectory() as folder:
        await cluster.start()
        try:
            path = Path(folder) / "kubeconfig"
            await cluster.write_kubeconfig(path)
            configuration: Any = await asyncio.to_thread(lambda: yaml.safe_load(path.read_text("utf-8")))
            authority = _data(configuration["clusters"][0]["cluster"])
            context = ssl.create_default_context(cadata=authority)
            connector = aiohttp.TCPConnector(ssl=context, limit=16)
            timeout = aiohttp.ClientTimeout(total=_ANSWERS_WITHIN)
            async with aiohttp.ClientSession(
                connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session:
                address = configuration["clusters"][0]["cluster"]["server"].rstrip("/")
                yield ServerUnderTest(session, address, configuration["users"][0]["user"]["token"])
        finally:
            await cluster.stop()


def _data(cluster: Mapping[str, str]) -> str:
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text("utf-8")
