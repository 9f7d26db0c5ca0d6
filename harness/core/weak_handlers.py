"""Handlers and middlewares of aiohttp that do not keep their server alive.

aiohttp keeps the latest 1,024 pairs of handlers and applications that have middlewares (``_cached_build_middleware``),
also after the application's end. Without this, each server of a long run stays in memory with all its copies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import ismethod
from typing import TypeVar
from weakref import WeakMethod, ref

from aiohttp import web
from aiohttp.typedefs import Middleware

__all__ = ["Handler", "weak_middleware", "weakly"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
F = TypeVar("F", bound=Callable[..., object])


def weakly(handle: Handler) -> Handler:
    """Return ``handle`` without a reference to it: 503 once its owner is gone. A method's owner is its object; any
    other function needs an owner that holds it."""
    find = _reference(handle)

    async def weak(request: web.Request) -> web.StreamResponse:
        if (found := find()) is None:
            raise web.HTTPServiceUnavailable
        return await found(request)

    return weak


def weak_middleware(guard: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]) -> Middleware:
    """Return ``guard`` as a middleware, otherwise as :func:`weakly`."""
    find = _reference(guard)

    @web.middleware
    async def weak(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (found := find()) is None:
            raise web.HTTPServiceUnavailable
        return await found(request, handler)

    return weak


def _reference(function: F) -> Callable[[], F | None]:
    return WeakMethod(function) if ismethod(function) else ref(function)
