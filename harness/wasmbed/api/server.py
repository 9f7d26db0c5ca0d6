"""The API server, from its listener to the copies of the cluster behind it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import orjson
from aiohttp import web

from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.http_log import server_log
from harness.core.http_site import HttpSite
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.core.weak_handlers import Handler, weak_middleware, weakly
from harness.wasmbed.api.access import Access
from harness.wasmbed.api.applications import Applications
from harness.wasmbed.api.cluster import ClusterParts
from harness.wasmbed.api.compilation import Compilation
from harness.wasmbed.api.consoles import ConsoleOperations
from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.dashboard import Dashboard
from harness.wasmbed.api.devices import Devices
from harness.wasmbed.api.emulation import Emulation
from harness.wasmbed.api.events import Changes
from harness.wasmbed.api.fleet import GatewayFleet, StatefulSetFleet
from harness.wasmbed.api.gateways import Gateways
from harness.wasmbed.api.guard import Guard, sharing
from harness.wasmbed.api.infrastructure import Infrastructure
from harness.wasmbed.api.log_lines import LogSource, OwnLog
from harness.wasmbed.api.openapi import document
from harness.wasmbed.api.operation import Operation
from harness.wasmbed.api.overview import Overview
from harness.wasmbed.api.pairing import PairingModes
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.rate import Rates
from harness.wasmbed.api.reference_page import POLICY, reference_page
from harness.wasmbed.api.routing import Routing, methods_of, options_of
from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.api.shapes import application_shape, device_shape, gateway_shape
from harness.wasmbed.api.streams import Streams
from harness.wasmbed.api.terminal import Terminal
from harness.wasmbed.compile.service import CompileService
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY

__all__ = ["ApiServer"]

log = server_log(__name__)

_ENDS_WITHIN = 2.0
"""Seconds for the requests under way when it stops."""


class ApiServer:
    """Serves from :meth:`start` to :meth:`stop`.

    ``api`` is its own access to Kubernetes: it asks there for the rights of its callers, and does what they may.
    """

    def __init__(
        self,
        settings: ApiSettings,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        network: Network,
        tap: Tap | None = None,
        *,
        fleet: GatewayFleet | None = None,
        logs: LogSource | None = None,
    ) -> None:
        """``fleet`` runs the gateways; by default it is the StatefulSet of ``deploy/``, if there is one. ``logs`` has
        the platform's log lines; by default they are this process's."""
        self._settings, self._api, self._clock, self._network = settings, api, clock, network
        self._randomness, self._tap = randomness, tap
        self._fleet, self._logs = fleet or StatefulSetFleet(api), logs or OwnLog(clock)
        self.copies = Copies(api, clock, randomness)
        self._access = Access(api, clock, settings.trusted_for)
        shapes = {
            DEVICE: device_shape,
            APPLICATION: application_shape,
            GATEWAY: lambda each: gateway_shape(each, self.copies.served_by(each["metadata"]["name"])),
        }
        epoch = randomness.token(4).replace("-", "_")
        self._changes = Changes(self.copies, clock, shapes, settings.kept_events, settings.subscribers, epoch, tap)
        self._infrastructure = Infrastructure(settings.infrastructure, clock, network)
        self._overview = Overview(self.copies, self._infrastructure, clock)
        self._compiler = CompileService(settings.compile, clock)
        self._dashboard = Dashboard()
        self._site: HttpSite | None = None
        self._consoles: ConsoleOperations | None = None
        self._document = self._page = b""
        self._guard: Guard | None = None
        self._handlers: Sequence[Handler] = ()
        """Held here because routes refer to them weakly."""

    @property
    def document(self) -> bytes:
        """The OpenAPI document, in JSON."""
        return self._document

    async def start(self) -> Endpoint:
        """:meth:`listen`, and :meth:`read`."""
        endpoint = await self.listen()
        await self.read()
        return endpoint

    async def read(self) -> None:
        """Read the cluster, however long that takes. Until then it is not ready."""
        await self.copies.start()

    async def listen(self) -> Endpoint:
        """Start to serve; returns where. Raises :class:`OSError` if the port is in use."""
        settings = self._settings
        guard = self._guard = Guard(self._dashboard)
        app = web.Application(client_max_size=settings.body_limit, middlewares=[weak_middleware(guard.handle)])
        if settings.origins:
            app.on_response_prepare.append(sharing(settings.origins))
        self._site = HttpSite(app, settings.places, self._clock, self._network, log=log, ends_within=_ENDS_WITHIN)
        guard.site = self._site
        rates = Rates(self._clock, settings.rate, settings.burst)
        routing = Routing(self._access, rates, self._clock, settings.timeout, self._tap, self._site)
        streams = Streams(self._changes, self._access, self._site, self._clock)
        consoles = self._consoles = ConsoleOperations(
            self._api, self.copies, self._access, self._site, self._clock, self._network, settings.subscribers
        )
        operations = [*self._operations(), *consoles.operations(), *streams.operations()]
        described = document(operations, version("wasmbed-harness"))
        self._document, self._page = orjson.dumps(described), reference_page(described)
        handlers = [routing.handler(each) for each in operations]
        methods: dict[str, set[str]] = {}
        for each, handle in zip(operations, handlers, strict=True):
            for path in filter(None, (each.path, each.also)):
                for method in methods_of(each):
                    app.router.add_route(method, path, weakly(handle))
                    methods.setdefault(path, {"OPTIONS"}).add(method)
        for path, allowed in methods.items():
            app.router.add_route("OPTIONS", path, options_of(allowed))
        self._dashboard.add_routes(app.router)
        app.router.add_get("/ws", weakly(streams.socket))
        self._handlers = [*handlers, streams.socket]
        app.router.add_get("/healthz", weakly(self._healthz))
        app.router.add_get("/readyz", weakly(self._readyz))
        app.router.add_get("/openapi.json", weakly(self._openapi))
        app.router.add_get("/docs", weakly(self._docs))
        self._logs.begin()
        return await self._site.start(settings.http)

    async def stop(self) -> None:
        """End the streams, finish the requests under way, and stop."""
        self._changes.close()
        self._logs.end()
        if self._site is not None:
            await self._site.stop()
        await self._compiler.close()
        await self._infrastructure.close()
        if self._consoles is not None:
            await self._consoles.close()
        await self.copies.stop()

    def _operations(self) -> Sequence[Operation]:
        parts = ClusterParts(self._api, self._logs)
        return [
            *self._overview.operations(),
            *self._infrastructure.operations(),
            *Devices(self._api, self.copies, self._randomness).operations(),
            *Emulation(self._api, self.copies, self._clock).operations(),
            *Applications(self._api, self.copies, self._randomness).operations(),
            *Gateways(self._api, self.copies, self._fleet).operations(),
            *PairingModes(self._api, self.copies, self._clock).operations(),
            *parts.operations(),
            *Terminal(self._api, self._access, self._clock, self._overview, parts).operations(),
            *Compilation(self._compiler, self._settings.boards, self._tap).operations(),
        ]

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        if self.copies.synced:
            return web.Response(text="ok\n")
        return Problem(503, "the copies of the cluster's objects are not complete").response()

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._document, content_type="application/json")

    async def _docs(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)
