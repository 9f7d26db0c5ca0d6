"""A server before an API server that answers some requests as a cluster in trouble does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp
import yaml
from aiohttp import web

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness

__all__ = ["Disturber", "Plan", "disturbed_cluster", "in_trouble"]

Plan = Callable[[web.BaseRequest], str | None]
"""How to disturb a request: a status (``503``) without passing it on, ``504 after`` or ``cut after`` it was done,
``cut`` in the middle of its answer or after its first event, ``end`` after its first event; None to pass it on."""


def in_trouble() -> Callable[[web.BaseRequest], str | None]:
    """A plan: a gateway's first write of its status in each namespace fails, and so does each POST of the tests."""
    met: set[str] = set()

    def plan(request: web.BaseRequest) -> str | None:
        if request.method == "PATCH" and "/gateways/" in request.path and request.path not in met:
            met.add(request.path)
            return "500"
        return "503" if request.method == "POST" and request.path.endswith(("/devices", "/configmaps")) else None

    return plan


@asynccontextmanager
async def disturbed_cluster(folder: Path, plan: Plan | None = None) -> AsyncIterator[Disturber]:
    """A disturber before an embedded cluster, with their kubeconfig files in ``folder``."""
    embedded = EmbeddedCluster(SystemClock(), Randomness())
    await embedded.start()
    try:
        await embedded.write_kubeconfig(folder / "config")
        async with Disturber(folder / "config", folder / "disturbed", plan or (lambda request: None)) as disturber:
            yield disturber
    finally:
        await embedded.stop()


class Disturber:
    """Passes requests to the server of ``kubeconfig`` as ``plan`` says; ``path`` is a kubeconfig that names this."""

    def __init__(self, kubeconfig: Path, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan
        self._config = yaml.safe_load(kubeconfig.read_text())
        self._upstream: str = self._config["clusters"][0]["cluster"]["server"]

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=False), auto_decompress=False)
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, handler_cancellation=True), shutdown_timeout=0.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._config["clusters"][0]["cluster"] = {"server": "http://{}:{}".format(*self._runner.addresses[0][:2])}
        self.path.write_text(yaml.safe_dump(self._config))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.path.unlink()  # the session need not look for the namespaces that stay
        await self._runner.cleanup()
        await self._http.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        how = self.plan(request)
        if how is not None and how.isdigit():
            return _status(int(how))
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        target = f"{self._upstream}{request.raw_path}"
        async with self._http.request(request.method, target, data=await request.read(), headers=headers) as answer:
            if how is None:
                return await _pass(request, answer)
            content = await (answer.content.readline() if "watch" in request.query else answer.read())
        if how == "end":
            return web.Response(body=content, content_type="application/json")
        if how == "504 after":
            return _status(504)
        if how == "cut":
            part = web.StreamResponse(
                headers={"Content-Length": str(len(content) + 1), "Content-Type": "application/json"}
            )
            await part.prepare(request)
            await part.write(content)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


async def _pass(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    passed = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
    await passed.prepare(request)
    async for piece in answer.content.iter_any():
        await passed.write(piece)
    await passed.write_eof()
    return passed


def _status(code: int) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "in trouble"}
    return web.json_response(status, status=code)
