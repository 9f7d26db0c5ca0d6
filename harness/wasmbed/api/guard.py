"""Around every request: its place among the connections, problems instead of exceptions, and pages of other origins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from harness.core.http_site import HttpSite
from harness.wasmbed.api.problems import Problem, of_api_error
from harness.wasmbed.resources.api import ApiError

__all__ = ["Guard", "sharing"]

_CROSS_ORIGIN = "GET, POST, PUT, PATCH, DELETE"
_CROSS_ORIGIN_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID"


class Pages(Protocol):
    """An application of one page, whose paths are known in the browser only."""

    def has(self, request: web.Request) -> bool:
        """Whether this is a browser's request for one of them."""

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Return the page."""


class Guard:
    """The middleware of a server."""

    def __init__(self, pages: Pages | None = None) -> None:
        """``pages`` answers browsers at paths that nothing else serves."""
        self._pages = pages
        self.site: HttpSite | None = None
        """The site of the application, which is made with this middleware."""

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give a request its place; turn what went wrong into a problem, and send it."""
        assert self.site is not None, "it serves"
        door = self.site.door
        async with door.request(request.protocol, knows_token=False):  # its handler asks whose the token is
            answer = await self._answer(request, handler)
            if not answer.prepared:
                await door.send(request, answer)
        return answer

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204)
        try:
            return await handler(request)
        except Problem as problem:
            return problem.response()
        except (ApiError, OSError) as error:
            return of_api_error(error).response()
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(405, f"{request.path} has {allowed}", headers={"Allow": allowed}).response()
        except web.HTTPNotFound:
            if self._pages is not None and self._pages.has(request):
                return await self._pages.page(request)
            return Problem(404, f"there is no {request.path}; /openapi.json has what there is").response()
        except web.HTTPException as error:
            return Problem(error.status, error.reason or "").response()


def sharing(origins: Collection[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a signal of aiohttp's, ``on_response_prepare``, that lets pages of these origins read the answers (CORS),
    streams too."""

    async def share(request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers["Vary"] = ", ".join(filter(None, (answer.headers.get("Vary"), "Origin")))
        origin = request.headers.get("Origin", "")
        if origin not in origins:
            return
        answer.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS":
            answer.headers["Access-Control-Allow-Methods"] = _CROSS_ORIGIN
            answer.headers["Access-Control-Allow-Headers"] = _CROSS_ORIGIN_HEADERS
        else:
            answer.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"

    return share
