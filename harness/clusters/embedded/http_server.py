"""The socket: HTTP/1.1 with TLS and a bearer token, in front of the server that needs neither."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from harness.clusters.embedded.access.users import ADMIN, ANONYMOUS, User
from harness.clusters.embedded.connections import HEAD_LIMIT, Connection, refusal_of
from harness.clusters.embedded.encodings import ZIPPED_FROM, compressed, media_of, takes_gzip, to_yaml, zipped
from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.logs import Logs
from harness.clusters.embedded.messages import JSON, YAML, Listing, Plain, Raw, Request, Response, Watch
from harness.clusters.embedded.pieces import PIECE, begun, gathered
from harness.clusters.embedded.query import is_pretty
from harness.clusters.embedded.server import ApiServer
from harness.clusters.gate import GatedClient, GatedProgram
from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.core.http_door import HttpDoor, HttpPlaces
from harness.core.http_log import server_log
from harness.core.network import Admission, Endpoint, Listener, Network
from harness.core.tls_server import TlsServer
from harness.wasmbed.resources.api import ApiError

__all__ = ["HttpServer", "Ready"]

log = server_log(__name__)

_ADMISSION = Admission(waiting=256, unread=64 << 10)
"""Connections before their handshake, more than clients open at a time; and what the kernel keeps of an answer."""
_PLACES = HttpPlaces(connections=512, per_address=64, timeout=30.0, idle=90.0)
"""A watch is one request: it has no time limit as long as its client reads."""
_SHUTDOWN_SECONDS = 1.0
_HEAD = 2 * HEAD_LIMIT
"""Bytes that a client may send before its head is complete."""

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_ZIPPED = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
_CLOSE = {"Connection": "close"}
"""The rest of the body would be read as the next request."""

Pieces = AsyncGenerator[bytes | memoryview, None]
Ready = Callable[[], Awaitable[object]]


class _Request(web.BaseRequest):
    """A request whose answers do not say which program made them."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)


class HttpServer:
    """Serves one :class:`ApiServer` at one endpoint."""

    def __init__(
        self,
        server: ApiServer,
        clock: Clock,
        network: Network,
        *,
        token: str,
        tls: TlsServer | None = None,
        logs: Logs | None = None,
        ready: Ready | None = None,
        places: HttpPlaces = _PLACES,
    ) -> None:
        """``ready`` is awaited before every request."""
        self._server, self._logs, self._ready = server, logs, ready
        self._clock, self._network, self._places = clock, network, places
        self._token = token.encode()
        self._programs: dict[str, GatedProgram] = {}
        self._tls = tls
        self._http: web.Server | None = None
        self._door: HttpDoor | None = None
        self._listener: Listener | None = None

    async def start(self, endpoint: Endpoint) -> Endpoint:
        """Listen; returns where. Raises :class:`RigError` naming the port that is not available."""
        limit, loop = self._server.body_limit + 1, asyncio.get_running_loop()

        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return _Request(message, payload, protocol, writer, task, loop, client_max_size=limit)

        http = web.Server(self._handle, request_factory=make_request, handler_cancellation=True)
        door = HttpDoor(
            lambda: Connection(http, loop=loop, access_log=None, logger=log), self._places, self._clock, head=_HEAD
        )
        try:
            self._listener = await self._network.listen(door, endpoint, tls=self._tls, admission=_ADMISSION)
        except OSError as error:
            raise RigError(
                f"the Kubernetes API cannot listen on port {endpoint[1]}: {reason(error)}",
                where=f"{endpoint[0]}:{endpoint[1]}",
                do="name a free port, or 0 for any",
            ) from error
        self._http, self._door = http, door
        return self._listener.endpoint

    def admit(self, token: str, program: GatedProgram) -> None:
        """Let in a program, which has all rights, by its token."""
        self._programs[token] = program

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
                if transport is not None:  # A peer that is gone never answers TLS's close_notify.
                    transport.abort()
        if self._door is not None:
            self._door.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._door is None:
            raise RuntimeError("a request before the start")
        authorization = request.headers.get("Authorization", "")
        admitted = self._programs.get(authorization.removeprefix("Bearer "))
        program = admitted.client(request.headers.get("User-Agent", "")) if admitted is not None else None
        user = ADMIN if program is not None else self._user(authorization)
        known = user is not None and user is not ANONYMOUS
        async with self._door.request(request.protocol, knows_token=known):
            if (refusal := refusal_of(request)) is not None:
                await self._door.send(request, refusal)
                return refusal
            try:
                answer = await self._respond(request, user, program)
                if program is not None and isinstance(answer, Response) and answer.watcher is not None:
                    return await self._watch(request, self._door, answer, program)
                return await self._send(request, self._door, answer)
            except StatusError as error:
                refused = Response(error.code, Plain(error.status()), dict(error.headers))
                return await self._send(request, self._door, refused)

    def _user(self, authorization: str) -> User | None:
        """Return the user that makes a request, by its ``Authorization`` header; None where that is not valid."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        if hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), self._token):
            return ADMIN
        return self._server.bearer(authorization)

    async def _respond(
        self, request: web.BaseRequest, user: User | None, program: GatedClient | None
    ) -> Response | Pieces:
        """The server's answer, or the text of a log. Raises :class:`StatusError`."""
        path = request.rel_url.raw_path
        if user is None:
            raise StatusError(401, "Unauthorized", "Unauthorized")
        client = program.name if program is not None else _client(request.headers.get("User-Agent", ""))
        asked = Request(request.method, path, request.query, request.headers, b"", client, user=user)
        if self._logs is not None and (device := self._logs.name(path)) is not None:
            self._server.admit(asked)
            return await self._logs.open(request.method, request.query, device)
        asked.body = await self._body(request)
        if self._ready is not None:
            await self._ready()
        if program is None:
            return await self._server.handle(asked)
        await self._pass(request, program.enter(request.method, path, request.query, asked.body))
        answer = await self._server.handle(asked)
        if answer.watcher is None and answer.status < 400:
            await self._pass(request, program.leave(request.method, path, request.query))
        if request.method == "GET" and answer.status == 200 and answer.watcher is None and answer.content_type == JSON:
            given = answer.content.encode()
            if (kept := program.answered(path, request.query, given)) is not given:
                answer.content = Raw(kept)
        return answer

    @staticmethod
    async def _pass(request: web.BaseRequest, gate: Awaitable[None]) -> None:
        """Return when a program's request, or its answer, may go on. Raises :class:`StatusError`, or OSError after
        cutting its connection."""
        try:
            await gate
        except ApiError as error:
            raise StatusError(error.code, error.reason, str(error)) from error
        except OSError as error:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError(str(error)) from error

    async def _body(self, request: web.BaseRequest) -> bytes:
        if not request.body_exists:
            return b""
        try:
            async with self._clock.deadline(self._places.timeout):
                if request.headers.get("Expect", "").lower() == "100-continue":
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    request.writer.output_size = 0  # so that aiohttp still sends its answer's head
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {self._server.body_limit}"
            raise StatusError(413, "RequestEntityTooLarge", message, headers=_CLOSE) from None
        except web.RequestPayloadError:
            raise StatusError(400, "BadRequest", "the body cannot be read as its headers say", headers=_CLOSE) from None
        except TimeoutError:
            message = f"the body was not complete within {self._places.timeout:g} s"
            raise StatusError(408, "Timeout", message, headers=_CLOSE) from None

    async def _send(self, request: web.BaseRequest, door: HttpDoor, answer: Response | Pieces) -> web.StreamResponse:
        if not isinstance(answer, Response):
            return await self._stream(request, door, web.StreamResponse(headers=_TEXT), answer)
        headers = _headers(answer)
        wants_yaml = answer.content_type == JSON and media_of(request.headers.get("Accept", "")) == YAML
        pretty = answer.content_type == JSON and is_pretty(request.query, request.headers.get("User-Agent", ""))
        if answer.watcher is not None:
            stream = web.StreamResponse(headers=headers)
            return await self._stream(request, door, stream, _events(answer.watcher))
        wants_gzip = takes_gzip(request.headers)
        if isinstance(answer.content, Listing) and not pretty and not wants_yaml:
            parts, long = begun(answer.content.parts(), ZIPPED_FROM)
            if long:
                if wants_gzip:
                    headers.update(_ZIPPED)
                stream = web.StreamResponse(headers=headers)
                return await self._stream(request, door, stream, _parts(parts, zipped=wants_gzip))
            data = b"".join(parts)
        else:
            data = answer.content.encode()
        if wants_yaml:
            headers["Content-Type"] = YAML
            data = to_yaml(data)
        elif pretty:
            data = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2)
        if len(data) > ZIPPED_FROM and wants_gzip:
            headers.update(_ZIPPED)
            data = zipped(data)
        if len(data) > PIECE and request.method != "HEAD":
            stream = web.StreamResponse(status=answer.status, headers=headers)
            stream.content_length = len(data)
            return await self._stream(request, door, stream, _parts([data], zipped=False))
        plain = web.Response(body=data, status=answer.status, headers=headers)
        if "Connection" in answer.headers:
            plain.force_close()
        await door.send(request, plain)
        return plain

    async def _watch(
        self, request: web.BaseRequest, door: HttpDoor, answer: Response, program: GatedClient
    ) -> web.StreamResponse:
        assert answer.watcher is not None
        stream = web.StreamResponse(headers=_headers(answer))
        return await self._stream(
            request, door, stream, program.watch(request.rel_url.raw_path, _events(answer.watcher))
        )

    @staticmethod
    async def _stream(
        request: web.BaseRequest, door: HttpDoor, stream: web.StreamResponse, pieces: Pieces
    ) -> web.StreamResponse:
        try:
            async with aclosing(pieces):
                await stream.prepare(request)
                async for piece in pieces:
                    async with door.sending(request.protocol):
                        await stream.write(piece)
                await stream.write_eof()
        except ConnectionError:
            pass  # The client has gone; so goes its watch.
        return stream


def _headers(answer: Response) -> CIMultiDict[str]:
    headers = CIMultiDict({"Content-Type": answer.content_type, **answer.headers})
    for warning in answer.warnings:
        headers.add("Warning", f"299 - {orjson.dumps(warning).decode()}")
    return headers


async def _events(watcher: Watch) -> Pieces:
    try:
        while (pieces := await watcher.read()) is not None:
            for piece in gathered(pieces):
                yield piece
    finally:
        watcher.close()


async def _parts(parts: Iterable[bytes], *, zipped: bool) -> Pieces:
    for piece in gathered(compressed(parts) if zipped else parts):
        yield piece


def _client(user_agent: str) -> str:
    """The name of a client in a history: the first word of its User-Agent; ``kubectl`` is the User."""
    word = user_agent.partition("/")[0].partition(" ")[0]
    return "User" if word.startswith("kubectl") or not word else word
