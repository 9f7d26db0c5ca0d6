"""The logs of Devices, and readers who do not keep up."""

from __future__ import annotations

from contextlib import asynccontextmanager

import aiohttp

from harness.boards.console import Console
from harness.clusters.embedded.http_server import HttpServer
from harness.clusters.embedded.logs import Logs
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.resources.timestamps import parse_timestamp


def write(console: Console, *lines: str) -> None:
    for line in lines:
        console.write(line)


@asynccontextmanager
async def followed():
    """A console, its logs, and the content of a reader that follows it; the log must end within the block."""
    clock = SystemClock()
    console = Console("pump-1", clock)

    async def find(name: str) -> Console:
        return console

    logs = Logs("wasmbed", find, clock)
    console.write("booted")

    front = HttpServer(ApiServer(clock, Randomness()), clock, SystemNetwork(), token="sesame", logs=logs)
    url = "http://{}:{}".format(*await front.start(("127.0.0.1", 0)))
    path = "/apis/wasmbed.io/v1/namespaces/wasmbed/devices/pump-1/log"
    headers = {"Authorization": "Bearer sesame"}
    try:
        async with aiohttp.ClientSession(url, headers=headers) as session:
            async with session.get(f"{path}?follow=True&tailLines=1") as response:
                assert await response.content.readline() == b"booted\n"
                yield console, logs, response.content
                assert await response.content.read() == b""
            async with session.get(f"{path}?follow=0&tailLines=2") as response:
                assert (await response.read()).split() == [line.encode() for line in console.lines[-2:]]
            async with session.get(f"{path}?timestamps=true&sinceSeconds=3600&tailLines=1") as response:
                at, _, line = (await response.text()).rstrip("\n").partition(" ")
                assert (line, abs(parse_timestamp(at) - clock.now()) < 3600) == (console.lines[-1], True)
            for query, code in (("tailLines=-1", 422), ("tailLines=x", 400), ("sinceSeconds=0", 422)):
                async with session.get(f"{path}?{query}") as response:
                    assert response.status == code
        assert not console._listeners
    finally:
        await front.stop()


async def test_a_log_is_followed_until_the_cluster_ends():
    async with followed() as (console, logs, content):
        write(console, "one", "two")
        assert await content.readline() == b"one\n"
        assert await content.readline() == b"two\n"
        logs.close()


async def test_a_reader_who_is_far_behind_gets_what_there_was_room_for_and_is_let_go():
    async with followed() as (console, _, content):
        write(console, *map(str, range(25_000)))
        assert (await content.read()).split() == [str(line).encode() for line in range(10_000)]


async def test_a_reader_who_is_far_behind_in_long_lines_is_let_go_too():
    async with followed() as (console, _, content):
        write(console, *("x" * 65_536 for _ in range(100)))
        assert len(await content.read()) == 64 * 65_537
