"""The socket: HTTP/1.1 with TLS and a bearer token, in front of the server that needs neither."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any

from aiohttp import web

from harness.clusters.embedded.errors import Refusal
from harness.clusters.embedded.logs import Logs
from harness.clusters.embedded.messages import Plain, Request, Response
from harness.clusters.embedded.server import OPEN_PATHS, ApiServer
from harness.clusters.embedded.watching import Watcher
from harness.core.errors import RigError, reason
from harness.core.network import Admission, Endpoint, Listener, Network
from harness.core.tls_server import TlsServer

__all__ = ["HttpFront"]

_ADMISSION = Admission(waiting=1024)
"""More at a time than clients have business here; a silent connection costs little, and not for long."""
_SHUTDOWN_SECONDS = 1.0


class HttpFront:
    """Serves one :class:`ApiServer` at one endpoint."""

    def __init__(
        self,
        server: ApiServer,
        network: Network,
        *,
        token: str,
        tls: TlsServer | None = None,
        logs: Logs | None = None,
    ) -> None:
        self._server, self._logs = server, logs
        self._network = network
        self._authorization = f"Bearer {token}".encode()
        self._tls = tls
        self._http: web.Server | None = None
        self._listener: Listener | None = None

    async def start(self, endpoint: Endpoint) -> Endpoint:
        """Listen; returns where. Raises :class:`RigError` naming the port that cannot be had."""
        limit, loop = self._server.body_limit + 1, asyncio.get_running_loop()

        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=limit)

        http = web.Server(self._handle, request_factory=make_request, handler_cancellation=True, access_log=None)
        try:
            self._listener = await self._network.listen(http, endpoint, tls=self._tls, admission=_ADMISSION)
        except OSError as error:
            raise RigError(
                f"the Kubernetes API cannot listen on port {endpoint[1]}: {reason(error)}",
                where=f"{endpoint[0]}:{endpoint[1]}",
                do="name a free port, or 0 for any",
            ) from error
        self._http = http
        return self._listener.endpoint

    async def stop(self) -> None:
        """Stop listening, and end what is open. The server's watches have to be ended before."""
        if self._listener is not None:
            await self._listener.close()
            self._listener = None
        http, self._http = self._http, None
        if http is not None:
            transports = [connection.transport for connection in http.connections]
            await http.shutdown(_SHUTDOWN_SECONDS)
            for transport in transports:
                if transport is not None:  # A peer that is gone never answers TLS's goodbye.
                    transport.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._authorization) and path not in OPEN_PATHS:
            refusal = Refusal(401, "Unauthorized", "Unauthorized")
            return _answer(Response(401, Plain(refusal.status())))
        if self._logs is not None and (device := self._logs.name(request)) is not None:
            try:
                return await self._logs.answer(request, device)
            except Refusal as error:
                return _answer(Response(error.code, Plain(error.status())))
        try:
            body = await request.read() if request.body_exists else b""
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {self._server.body_limit}"
            refusal = Refusal(413, "RequestEntityTooLarge", message)
            return _answer(Response(413, Plain(refusal.status())), close=True)
        response = await self._server.handle(
            Request(
                request.method,
                path,
                request.query,
                request.headers,
                body,
                _client(request.headers.get("User-Agent", "")),
            )
        )
        if response.watcher is not None:
            return await _stream(request, response.watcher)
        return _answer(response)


def _answer(response: Response, *, close: bool = False) -> web.Response:
    headers = {"Content-Type": response.content_type, **response.headers}
    answer = web.Response(body=response.content.encode(), status=response.status, headers=headers)
    if close:
        answer.force_close()
    return answer


async def _stream(request: web.BaseRequest, watcher: Watcher) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await stream.prepare(request)
        while (lines := await watcher.read()) is not None:
            await stream.write(lines)
        await stream.write_eof()
    except ConnectionError:
        pass  # The client has gone; so goes its watch.
    finally:
        watcher.close()
    return stream


def _client(user_agent: str) -> str:
    """Who a client is, in a history's words: the first word of what it calls itself; ``kubectl`` is the User."""
    word = user_agent.partition("/")[0].partition(" ")[0]
    return "User" if word.startswith("kubectl") or not word else word
