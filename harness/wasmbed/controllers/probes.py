"""The HTTP server of a manager of controllers: Kubernetes' probes, its metrics, and what it has to show beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from harness.core.clock import Clock
from harness.core.http_door import HttpDoor, HttpPlaces
from harness.core.http_log import server_log
from harness.core.http_site import HttpSite
from harness.core.network import Endpoint, Network
from harness.wasmbed.controllers.metrics import ManagerMetrics, MeasuredManager

__all__ = ["ProbedManager", "Probes"]

log = server_log(__name__)

_PLACES = HttpPlaces(connections=32, per_address=16, timeout=10.0, idle=10.0)
_LARGEST_BODY = 1024
_ENDS_WITHIN = 2.0
"""Seconds for the requests under way when it stops."""


MoreRoutes = Callable[[Callable[[], HttpDoor]], list[web.RouteDef]]


class ProbedManager(MeasuredManager, Protocol):
    """The part of a manager that its probes ask."""

    @property
    def synced(self) -> bool:
        """Whether its copies of the cluster's objects are complete."""

    @property
    def healthy(self) -> bool:
        """False once it ended by an error."""


class Probes:
    """Serves ``/healthz``, ``/readyz`` and ``/metrics`` of ``manager`` from :meth:`start` to :meth:`stop`.

    ``more`` gives further routes, with the server's door.
    """

    def __init__(
        self, manager: ProbedManager, clock: Clock, network: Network, *, more: MoreRoutes = lambda door: []
    ) -> None:
        self._manager = manager
        self._metrics = ManagerMetrics(manager)
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._render_metrics),
                *more(lambda: self._site.door),
            ]
        )
        self._site = HttpSite(app, _PLACES, clock, network, log=log, ends_within=_ENDS_WITHIN)

    async def start(self, endpoint: Endpoint) -> Endpoint:
        """Start to serve; returns where. Raises :class:`OSError` if the port is in use."""
        return await self._site.start(endpoint)

    async def stop(self) -> None:
        """Finish the requests under way, and stop."""
        await self._site.stop()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        async with self._site.door.request(request.protocol, knows_token=False):
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = web.Response(status=error.status, text=f"{error.reason}\n")
            if not answer.prepared:  # a stream has been sent
                await self._site.door.send(request, answer)
        return answer

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return _answer(None if self._manager.healthy else "a controller ended; its error is in the log")

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        return _answer(None if self._manager.synced else "the copies of the cluster's objects are not complete")

    async def _render_metrics(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics.render(), headers=headers)


def _answer(reason: str | None) -> web.Response:
    return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=f"{reason}\n")
