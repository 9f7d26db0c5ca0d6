#!/usr/bin/env bash
# aiohttp.web keeps an application with a middleware in memory after its end.
#
# A server whose application has a middleware, and that has answered one request, is kept alive by aiohttp after
# `AppRunner.cleanup()`, with everything that its handlers refer to: `web_app._cached_build_middleware` is an `lru_cache` of 1,024
# entries whose keys are handlers (bound methods) and applications. A process that starts and ends servers keeps the latest 1,024
# pairs. Without a middleware nothing is kept. Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q aiohttp==3.14.5
cat >kept.py <<'PYTHON'
import asyncio
import gc
import sys
import weakref

import aiohttp
from aiohttp import web


class Service:
    async def answer(self, request):
        return web.Response(text="ok")

    @web.middleware
    async def guard(self, request, handler):
        return await handler(request)


async def serve(*, guarded):
    """Serve one request, and end; return a weak reference to the service."""
    service = Service()
    app = web.Application(middlewares=[service.guard] if guarded else [])
    app.add_routes([web.get("/", service.answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = site._server.sockets[0].getsockname()
    async with aiohttp.ClientSession() as client, client.get(f"http://{host}:{port}/") as answer:
        assert await answer.text() == "ok"
    await runner.cleanup()
    return weakref.ref(service)


async def main():
    kept = {}
    for guarded in (False, True):
        reference = await serve(guarded=guarded)
        await asyncio.sleep(0.1)
        gc.collect()
        kept[guarded] = reference() is not None
    print(f"aiohttp {aiohttp.__version__}; kept after its end: without a middleware {kept[False]}, with one {kept[True]}")
    return 0 if kept == {False: False, True: True} else 1


sys.exit(asyncio.run(main()))
PYTHON
venv/bin/python kept.py
