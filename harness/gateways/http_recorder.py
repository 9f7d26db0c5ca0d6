"""Records deployments and stops that a gateway outside of this process is asked for: a proxy before its HTTP API.

The gateway names the proxy in its status (``advertise_http``), so that controllers send their requests through it. As
in the gateway's own tap, a request that is understood is recorded, and every refusal with its reason. One without an
answer, which the gateway may carry out or not, is recorded as ``RequestUnanswered``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Protocol

import aiohttp
import orjson
from aiohttp import web

from harness.core.clock import Clock
from harness.core.http_log import server_log
from harness.core.network import Endpoint, Listener, Network
from harness.wasmbed.gateway.http_api import describe_request
from harness.wasmbed.resources.deployments import DeploymentRequest

__all__ = ["HttpRecorder", "Reserved"]

log = server_log(__name__)

_BODY_LIMIT = 4 << 20
"""Bytes; more than the gateway takes."""
_ANSWERS_WITHIN = 60.0
"""Seconds; the gateway itself is stricter."""
_ASKED = re.compile(r"/api/v1/applications/([^/]+)/devices/([^/]+)")
_JUDGED = frozenset({202, 404, 429})
"""The answers to a request that is understood: accepted, the device is not connected, too many."""
_BAD_REQUEST = 400
_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "te", "trailer"}
)


class Reserved(Protocol):
    """A place in the history, reserved for a request whose answer says whether it is recorded."""

    def record(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """Record it there."""

    def release(self) -> None:
        """Let later events go on."""


class HttpRecorder:
    """Passes requests to the gateway named ``gateway``, at :attr:`target`."""

    def __init__(self, gateway: str, reserve: Callable[[], Reserved], clock: Clock, network: Network) -> None:
        self._gateway, self._reserve, self._clock, self._network = gateway, reserve, clock, network
        self.target: Endpoint | None = None
        """Where the gateway's HTTP API is; None while it is down: connections are then cut."""
        self._listener: Listener | None = None
        self._server: web.Server | None = None
        self._client: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Its own address, once started."""
        if self._listener is None:
            raise RuntimeError("the recorder is not started")
        return "http://{}:{}".format(*self._listener.endpoint)

    async def start(self) -> None:
        """Listen on a free port."""
        self._client = aiohttp.ClientSession(
            connector=self._network.connector(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(_ANSWERS_WITHIN),
        )
        self._server = web.Server(self._handle, handler_cancellation=True, access_log=None, logger=log)
        self._listener = await self._network.listen(self._server, ("127.0.0.1", 0))

    async def stop(self) -> None:
        """End everything that is open."""
        if self._listener is not None:
            await self._listener.close()
        if self._server is not None:
            await self._server.shutdown(0)
        if self._client is not None:
            await self._client.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read(-1) if request.body_exists else b""
        asked = _ASKED.fullmatch(request.rel_url.path) if request.method in ("PUT", "DELETE") else None
        if asked is None:
            return await self._forward(request, body)
        application, device = asked.groups()
        data = {"device": device, "gateway": self._gateway, "token": _token(request)}
        reserved, is_there, answer = self._reserve(), self.target is not None, None
        try:
            answer = await self._forward(request, body)
            if answer.status in _JUDGED:
                self._record(reserved, request.method, body, application, data)
            if answer.status >= _BAD_REQUEST:
                refusal = {**data, "code": answer.status, "reason": _reason(answer)}
                reserved.record("Gateway", "ApplicationController", "RequestRefused", refusal, application)
        finally:
            if answer is None and is_there:
                self._record(reserved, request.method, body, application, data, "RequestUnanswered")
            reserved.release()
        return answer

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if self.target is None or self._client is None:
            return _cut(request)
        url = "http://{}:{}{}".format(*self.target, request.rel_url.raw_path_qs)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        try:
            async with self._client.request(
                request.method, url, headers=headers, data=BytesIO(body) if body else None, allow_redirects=False
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError):
            return _cut(request)
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
        return web.Response(status=answer.status, reason=answer.reason, headers=kept, body=content)

    @staticmethod
    def _record(
        reserved: Reserved, method: str, body: bytes, application: str, about: dict[str, Any], name: str = ""
    ) -> None:
        """Record a request, as one of this ``name`` if given."""
        data = dict(about)
        if method == "PUT":
            try:
                data["wanted"] = describe_request(DeploymentRequest.from_json(orjson.loads(body)))
            except ValueError:
                return  # another API at the same path
        name = name or ("DeployApplication" if method == "PUT" else "StopApplication")
        reserved.record("ApplicationController", "Gateway", name, data, application)


def _token(request: web.BaseRequest) -> str:
    return request.headers.get("Authorization", "").partition(" ")[2].strip()


def _reason(answer: web.StreamResponse) -> str | None:
    """The reason that a refusal gives, as the gateway's API has it."""
    try:
        return str(orjson.loads(answer.body)["error"]) if isinstance(answer, web.Response) and answer.body else None  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError):
        return None


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    """End the connection without an answer, as a gateway does that is not there."""
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("the gateway's HTTP API is not there")
