"""The logs of Devices, and readers who do not keep up."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

from harness.clusters.embedded.logs import Logs


class Console:
    """A board's, that writes when told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.listeners: list = []

    def listen(self, listener):
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def write(self, *lines: str) -> None:
        for line in lines:
            self.lines.append(line)
            for listener in self.listeners:
                listener(line)


def with_reader(scene) -> None:
    async def main() -> None:
        console = Console()

        async def find(name: str) -> Console:
            return console

        logs = Logs("wasmbed", find)
        console.write("booted")

        async def log(request: web.Request) -> web.StreamResponse:
            return await logs.answer(request, "pump-1")

        app = web.Application()
        app.router.add_get("/log", log)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}/log?follow=true".format(*runner.addresses[0])
        try:
            async with asyncio.timeout(20), aiohttp.ClientSession() as session, session.get(url) as response:
                assert await response.content.readline() == b"booted\n"
                await scene(console, logs, response.content)
                assert await response.content.read() == b""
                assert console.listeners == []
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_a_log_is_followed_until_the_cluster_ends():
    async def scene(console, logs, content):
        console.write("one", "two")
        assert await content.readline() == b"one\n"
        assert await content.readline() == b"two\n"
        logs.close()

    with_reader(scene)


def test_a_reader_who_is_far_behind_gets_what_there_was_room_for_and_is_let_go():
    async def scene(console, logs, content):
        console.write(*map(str, range(25_000)))
        assert (await content.read()).split() == [str(line).encode() for line in range(10_000)]

    with_reader(scene)
