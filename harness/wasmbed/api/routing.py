"""From an HTTP request to an operation and back: token, rate, right, body and query, in this order."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterable

import orjson
from aiohttp import web
from pydantic import ValidationError

from harness.core.clock import Clock
from harness.core.history import Tap
from harness.wasmbed.api.access import Access
from harness.wasmbed.api.exchange import Exchange
from harness.wasmbed.api.operation import Answer, Body, Call, Caller, NoBody, Operation
from harness.wasmbed.api.problems import Problem, of_api_error, of_validation
from harness.wasmbed.api.rate import Rates
from harness.wasmbed.api.repeats import Repeats
from harness.wasmbed.resources.api import ApiError

__all__ = ["LONGEST_HEADER", "Routing", "methods_of", "options_of"]

_WORTH_COMPRESSING = 4096
"""Bytes of an answer."""
_LEVEL = 1
"""Of gzip: the higher ones take longer than they save on most networks."""
_ANYBODY = Caller("anybody")
_BOUNDED = ("If-Match", "Idempotency-Key")
LONGEST_HEADER = 255


class Routing:
    """Makes the handlers of operations."""

    def __init__(self, access: Access, rates: Rates, clock: Clock, timeout: float, tap: Tap | None) -> None:
        self._access, self._rates, self._clock, self._timeout, self._tap = access, rates, clock, timeout, tap
        self._repeats = Repeats()

    def handler(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return what serves ``operation``."""

        async def handle(request: web.Request) -> web.StreamResponse:
            exchange = Exchange(self._tap if operation.right is not None else None, operation, request)
            caller = _ANYBODY
            try:
                if operation.right is not None:
                    exchange.caller = caller = await self._access.caller(request.headers.get("Authorization", ""))
                    self._rates.take(caller.name)
                    await self._access.check(caller, operation.right)
                answer = await self._run(operation, caller, request, exchange)
            except Problem as problem:
                answer = problem.response()
            except (ApiError, OSError) as error:
                answer = of_api_error(error).response()
            exchange.answered(answer)
            return answer

        return handle

    async def _run(
        self, operation: Operation, caller: Caller, request: web.Request, exchange: Exchange
    ) -> web.StreamResponse:
        for name in _BOUNDED:
            if len(request.headers.get(name, "")) > LONGEST_HEADER:
                raise Problem(422, f"{name} has more than {LONGEST_HEADER} characters")
        body, raw = await self._body(operation, request)
        call = Call(caller, dict(request.match_info), body, _query(operation, request), request, exchange.audit)
        exchange.asked(body)

        key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        if key:
            said = b"\n".join((operation.name.encode(), request.path.encode("utf-8", "surrogateescape"), raw))
            answer = await self._repeats.once(caller.name, key, said, lambda: operation.run(call))
        else:
            answer = await operation.run(call)
        return answer if isinstance(answer, web.StreamResponse) else _response(answer, request)

    async def _body(self, operation: Operation, request: web.Request) -> tuple[Body, bytes]:
        try:
            async with self._clock.deadline(self._timeout):
                raw = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise Problem(413, f"the body is larger than {request.client_max_size} bytes") from error
        except TimeoutError as error:
            raise Problem(400, f"the body was not complete within {self._timeout:g} s") from error
        except web.RequestPayloadError as error:
            raise Problem(400, "the body does not match its headers") from error
        if operation.body is None:
            return NoBody(), b""
        if not raw:
            raw = b"{}"
        elif request.content_type != "application/json":
            raise Problem(415, f"the body has to be application/json, not {request.content_type}")
        try:
            content = orjson.loads(raw)
        except ValueError as error:
            raise Problem(400, f"the body is not JSON: {error}") from error
        try:
            return operation.body.model_validate(content, strict=False), raw
        except ValidationError as error:
            raise of_validation(error, "body") from error


def methods_of(operation: Operation) -> tuple[str, ...]:
    """Return the methods of HTTP that an operation serves: what can be read has HEAD, unless it never ends."""
    if operation.method == "GET" and operation.media_type != "text/event-stream":
        return "GET", "HEAD"
    return (operation.method,)


def options_of(methods: Iterable[str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler that tells which methods a path has."""
    allowed = ", ".join(sorted(methods))

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204, headers={"Allow": allowed})

    return handle


def _query(operation: Operation, request: web.Request) -> Body:
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise Problem(422, f"the query has {name} twice")
        given[name] = value
    try:
        return operation.query.model_validate(given)
    except ValidationError as error:
        raise of_validation(error, "query") from error


def _response(answer: Answer, request: web.Request) -> web.Response:
    headers = dict(answer.headers)
    if answer.version is not None:
        tag = f'"{answer.version}"'
        headers["ETag"] = tag
        if request.method == "GET" and tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
    body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
    if len(body) > _WORTH_COMPRESSING and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, _LEVEL)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(body=body, status=answer.status, content_type=answer.media_type, headers=headers)
