"""The gateway's HTTP API: health and metrics without a token, sessions and deployments with it."""

from __future__ import annotations

from collections.abc import Awaitable
from hmac import compare_digest
from typing import Any

import orjson
from aiohttp import web

from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.http_log import server_log
from harness.core.http_site import HttpSite
from harness.core.network import Network
from harness.core.weak_handlers import Handler, weak_middleware, weakly
from harness.wasmbed.gateway.application_status import is_name
from harness.wasmbed.gateway.deployments import Deployments, NotConnected
from harness.wasmbed.gateway.device_queue import QueueFull
from harness.wasmbed.gateway.gateway_address import GatewayAddress
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.modules import TooManyModules
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_queries import StatusQueries
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.names import gateway_api_secret
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["HttpApi", "describe_request"]

log = server_log(__name__)

BAD_REQUEST = 400


class HttpApi:
    """Serves from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        network: Network,
        sessions: Sessions,
        address: GatewayAddress,
        deployments: Deployments,
        queries: StatusQueries,
        metrics: Metrics,
        tap: Tap | None,
    ) -> None:
        self._settings, self._clock, self._network = settings, clock, network
        self._sessions, self._deployments, self._queries = sessions, deployments, queries
        self._address, self._metrics, self._tap = address, metrics, tap
        self._token = b""
        self._site: HttpSite | None = None

    async def start(self, token: str) -> tuple[str, int]:
        """Start to serve; returns host and port. Raises :class:`OSError` if the port is in use."""
        self._token = token.encode()
        app = web.Application(client_max_size=self._settings.http_body_limit, middlewares=[weak_middleware(self.guard)])
        device = "/api/v1/applications/{application}/devices/{device}"
        app.add_routes(
            [
                web.get("/healthz", weakly(self._healthz)),
                web.get("/readyz", weakly(self._readyz)),
                web.get("/metrics", weakly(self._render_metrics)),
                web.get("/api/v1/sessions", weakly(self._list_sessions)),
                web.get(device, weakly(self._ask), allow_head=False),
                web.put(device, weakly(self._deploy)),
                web.delete(device, weakly(self._stop)),
            ]
        )
        settings = self._settings
        self._site = HttpSite(
            app, settings.http_places, self._clock, self._network, log=log, ends_within=settings.close_timeout
        )
        return await self._site.start(settings.http)

    async def stop(self) -> None:
        """Finish the requests under way, and stop."""
        if self._site is not None:
            await self._site.stop()

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass on a request if there is a place for it, and record it if it is refused."""
        if self._site is None:
            raise RuntimeError("the HTTP API is not started")
        knows_token = self._shows_token(request)
        async with self._site.door.request(request.protocol, knows_token=knows_token):
            answer = await self._answer(request, handler, knows_token=knows_token)
            self._record_refusal(request, answer)
            await self._site.door.send(request, answer)
        return answer

    async def _answer(self, request: web.Request, handler: Handler, *, knows_token: bool) -> web.StreamResponse:
        if request.path.startswith("/api/") and not knows_token:
            answer = _refuse(401, f"the bearer token of Secret {gateway_api_secret(self._settings.name)} is needed")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _refuse(error.status, error.reason)
        except web.RequestPayloadError:
            return _refuse(400, "the body does not match its headers")
        except TimeoutError:
            return _refuse(408, f"the request was not complete within {self._settings.http_timeout:g} s")

    def _shows_token(self, request: web.Request) -> bool:
        scheme, token = _credentials(request)
        given = token.encode("utf-8", "surrogateescape")  # as aiohttp decodes bytes that are not UTF-8
        return scheme == "bearer" and compare_digest(given, self._token)

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        reason = self._why_not_ready()
        return web.Response(text="ok\n") if reason is None else _refuse(503, reason)

    def _why_not_ready(self) -> str | None:
        if not self._sessions.are_open:
            return self._sessions.why_closed
        return None if self._address.is_known else "the gateway is starting"

    async def _render_metrics(self, request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=self._metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _list_sessions(self, request: web.Request) -> web.StreamResponse:
        return _json(200, {"sessions": [_describe(session) for session in self._sessions]})

    async def _deploy(self, request: web.Request) -> web.StreamResponse:
        application, device = _names(request)
        async with self._clock.deadline(self._settings.http_timeout):
            body = await request.read()
        try:
            deployment = DeploymentRequest.from_json(orjson.loads(body))
        except ValueError as error:
            return _refuse(400, f"the body is not a deployment request: {error}")
        self._record(request, "DeployApplication", application, device, wanted=describe_request(deployment))
        return await self._accept(self._deployments.deploy(application, device, deployment))

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        application, device = _names(request)
        try:
            status = await self._queries.ask(application, device)
        except NotConnected as error:
            return _refuse(404, str(error))
        except TimeoutError:
            return _refuse(504, f"device {device} did not answer for {self._settings.reply_timeout:g} s")
        answer = {"state": status.state.value, "metrics": dict(status.metrics), "error": status.error}
        return _json(200, {"application": application, "device": device, **answer})

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        application, device = _names(request)
        self._record(request, "StopApplication", application, device)
        return await self._accept(self._deployments.stop(application, device))

    async def _accept(self, action: Awaitable[None]) -> web.StreamResponse:
        try:
            await action
        except NotConnected as error:
            return _refuse(404, str(error))
        except (QueueFull, TooManyModules) as error:
            answer = _refuse(429, str(error))
            answer.headers["Retry-After"] = str(max(1, round(self._settings.retry_after)))
            return answer
        return _json(202, {"accepted": True})

    def _record(self, request: web.Request, name: str, application: str, device: str, **data: Any) -> None:
        if self._tap is not None:
            data = {"device": device, "gateway": self._settings.name, "token": _credentials(request)[1], **data}
            self._tap("ApplicationController", "Gateway", name, data, application)

    def _record_refusal(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Record an order that is refused, with the reason."""
        names = request.match_info
        if self._tap is None or answer.status < BAD_REQUEST or request.method not in ("PUT", "DELETE"):
            return
        if "device" not in names or not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
            return
        data = {
            "device": names["device"],
            "gateway": self._settings.name,
            "token": _credentials(request)[1],
            "code": answer.status,
            "reason": orjson.loads(answer.body).get("error"),
        }
        self._tap("Gateway", "ApplicationController", "RequestRefused", data, names["application"])


def _credentials(request: web.Request) -> tuple[str, str]:
    """The scheme in lower case, and what follows it."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower(), given.strip()


def describe_request(wanted: DeploymentRequest) -> dict[str, Any]:
    """Return a deployment request's content as ``Deploy`` fields, without the module."""
    return {
        "size": len(wanted.module),
        "sha256": wanted.sha256.hex(),
        "limits": {"memory": wanted.memory, "fuel": wanted.fuel, "wallTime": wanted.wall_time},
        "entry": wanted.entry,
        "arguments": list(wanted.args),
        "environment": dict(wanted.env),
        "generation": wanted.generation,
    }


def _names(request: web.Request) -> tuple[str, str]:
    application, device = request.match_info["application"], request.match_info["device"]
    if not (is_name(application) and is_name(device)):
        raise web.HTTPBadRequest(reason="application and device must be valid resource names")
    return application, device


def _describe(session: Session) -> dict[str, Any]:
    address = session.link.peer_address
    return {
        "device": session.name or None,
        "deviceId": session.device_id or None,
        "state": session.state.value,
        "address": f"{address[0]}:{address[1]}" if address else None,
        "connectedSince": format_timestamp(session.connected_since) if session.connected_since else None,
        "lastHeartbeat": format_timestamp(session.heard_at) if session.heartbeat else None,
        "metrics": session.heartbeat.metrics if session.heartbeat else {},
        "applications": {name: record.state for name, record in (session.applications or {}).items()},
    }


def _refuse(status: int, reason: str) -> web.Response:
    return _json(status, {"error": reason})


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
