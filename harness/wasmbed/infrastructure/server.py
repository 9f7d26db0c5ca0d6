"""The infrastructure service, from its listener to the authority's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Annotated, Literal

import orjson
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.core.http_door import HttpPlaces
from harness.core.http_log import server_log
from harness.core.http_site import HttpSite
from harness.core.network import Endpoint, Network
from harness.core.weak_handlers import weak_middleware
from harness.wasmbed.api.access import Access
from harness.wasmbed.api.guard import Guard
from harness.wasmbed.api.openapi import document
from harness.wasmbed.api.operation import Answer, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.rate import Rates
from harness.wasmbed.api.routing import Routing
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.infrastructure.certificates import Certificates
from harness.wasmbed.infrastructure.logs import LogBook
from harness.wasmbed.infrastructure.metrics import Gauges, Metrics
from harness.wasmbed.infrastructure.publication import publish
from harness.wasmbed.infrastructure.register import Register
from harness.wasmbed.infrastructure.responder import Responder
from harness.wasmbed.infrastructure.secrets import Secrets
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["InfrastructureServer", "InfrastructureSettings"]

log = server_log(__name__)

_ENDS_WITHIN = 2.0
"""Seconds for the requests under way when it stops."""
_BODY_LIMIT = 64 << 10


@dataclass(frozen=True, slots=True)
class InfrastructureSettings:
    """Times in seconds; ``rate`` and ``burst`` are requests of one caller in a second, and at once."""

    http: Endpoint = ("127.0.0.1", 0)
    rate: float = 50.0
    burst: int = 200
    trusted_for: float = 10.0
    timeout: float = 30.0
    places: HttpPlaces = field(
        default_factory=lambda: HttpPlaces(connections=1024, per_address=256, timeout=30.0, idle=120.0)
    )


class Health(TypedDict):
    """A sign of life."""

    status: Literal["healthy"]
    timestamp: Time


class Status(TypedDict):
    """The service at a glance."""

    ca_status: Literal["active"]
    secret_store_status: Literal["active"]
    monitoring_status: Literal["active"]
    logging_status: Literal["active"]
    total_certificates: int
    active_certificates: int
    total_secrets: int
    uptime: Annotated[float, Field(description="Seconds since this service began.")]


class InfrastructureServer:
    """Serves from :meth:`start` to :meth:`stop`. ``api`` is its own access to Kubernetes."""

    def __init__(
        self, settings: InfrastructureSettings, register: Register, api: ResourceApi, clock: Clock, network: Network
    ) -> None:
        self._settings, self._register, self._api, self._clock = settings, register, api, clock
        self._network = network
        self.log_book = LogBook(clock)
        self._metrics = Metrics(Gauges(register, register.folder, clock), clock)
        self._secrets = Secrets(api, clock)
        self._access = Access(api, clock, settings.trusted_for)
        self._site: HttpSite | None = None
        self._guard: Guard | None = None
        """The application refers weakly to it."""
        self._document = b""
        self._began = clock.now()

    async def listen(self) -> Endpoint:
        """Start to serve; returns where. Raises :class:`OSError` if the port is in use."""
        settings = self._settings
        guard = self._guard = Guard()
        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[weak_middleware(guard.handle)])
        self._site = HttpSite(app, settings.places, self._clock, self._network, log=log, ends_within=_ENDS_WITHIN)
        guard.site = self._site
        rates = Rates(self._clock, settings.rate, settings.burst)
        routing = Routing(self._access, rates, self._clock, settings.timeout, self.log_book.tap, self._site)
        operations = self._operations()
        self._document = orjson.dumps(document(operations, version("wasmbed-harness")))
        for each in operations:
            app.router.add_route(each.method, each.path, routing.handler(each))
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/metrics", self._metrics.render)
        Responder(self._register.authority, self._clock).add_to(app)
        endpoint = await self._site.start(settings.http)
        self._metrics.start()
        return endpoint

    async def publish(self) -> None:
        """Write the revocation list into the cluster. Raises :class:`ApiError`, OSError."""
        await publish(self._api, self._register.authority.crl())

    async def stop(self) -> None:
        """Finish the requests under way, and stop."""
        self._metrics.stop()
        if self._site is not None:
            await self._site.stop()

    def _operations(self) -> Sequence[Operation]:
        return [
            Operation(
                name="getHealth", method="GET", path="/health", run=self._health, answer=Health, right=None,
                summary="A sign of life.",
            ),
            Operation(
                name="getStatus", method="GET", path="/api/v1/status", run=self._status, answer=Status,
                right=Right("list", "devices"), summary="The service at a glance.",
            ),
            *Certificates(self._register, self._api, self._clock).operations(),
            *self._secrets.operations(),
            *self.log_book.operations(),
            *self._metrics.operations(),
        ]  # fmt: skip

    async def _health(self, call: Call[NoBody, NoQuery]) -> Answer:
        found: Health = {"status": "healthy", "timestamp": format_timestamp(self._clock.now())}
        return Answer(found)

    async def _status(self, call: Call[NoBody, NoQuery]) -> Answer:
        now, secrets = self._clock.now(), await self._secrets.count()
        found: Status = {
            "ca_status": "active",
            "secret_store_status": "active",
            "monitoring_status": "active",
            "logging_status": "active",
            "total_certificates": len(self._register),
            "active_certificates": sum(each.status(now) == "active" for each in self._register),
            "total_secrets": secrets,
            "uptime": round(now - self._began, 3),
        }
        return Answer(found)

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._document, content_type="application/json")
