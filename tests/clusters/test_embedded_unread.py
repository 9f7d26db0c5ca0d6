"""Answers that clients do not read: they hold little memory, and not for long."""

from __future__ import annotations

import asyncio
import ctypes
import socket
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from harness.clusters.embedded.http_server import HttpServer
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.pieces import PIECE, begun, gathered
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import ManualClock
from harness.core.http_door import HttpPlaces
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
CLIENTS = 40
STORED = 9 * 500_000


def memory():
    """The resident memory of this process, in bytes, without what the allocator keeps for later."""
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


@pytest.fixture
async def clock():
    return ManualClock()


@pytest.fixture
async def server(clock):
    """A server with 4.5 MB in it."""
    server = ApiServer(clock, Randomness())
    for number in range(9):
        body = orjson.dumps({"metadata": {"name": f"c{number}"}, "data": {"a": "x" * 500_000}})
        assert (await server.handle(Request("POST", CONFIG_MAPS, body=body))).status == 201
    yield server
    server.close()


@pytest.fixture
async def endpoint(server, clock):
    places = HttpPlaces(connections=2 * CLIENTS, per_address=2 * CLIENTS, timeout=30.0, idle=90.0)
    front = HttpServer(server, clock, SystemNetwork(), token="sesame", places=places)
    yield await front.start(("127.0.0.1", 0))
    server.close()
    await front.stop()


@pytest.mark.parametrize(
    "path",
    [
        f"{CONFIG_MAPS}?watch=1",
        f"{CONFIG_MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        CONFIG_MAPS,
        f"{CONFIG_MAPS}/c0",
    ],
)
async def test_answers_that_are_not_read_cost_little_memory_and_end(server, endpoint, clock, path):
    loop = asyncio.get_running_loop()
    with ExitStack() as sockets:
        before = memory()
        for _ in range(CLIENTS):
            deaf = sockets.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, endpoint)
            text = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sesame\r\n\r\n"
            await loop.sock_sendall(deaf, text.encode())
            assert (await loop.sock_recv(deaf, 100)).startswith(b"HTTP/1.1 200 OK")
        held = memory() - before
        assert held < CLIENTS * STORED / 3, f"{held / CLIENTS:.0f} bytes for each client"
        await clock.advance(31)
        assert server.watch_count() == 0
        reader, writer = await asyncio.open_connection(*endpoint)
        writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sesame\r\n\r\n")
        assert b"200" in await reader.readline()
        writer.transport.abort()


def test_a_reader_gets_everything_in_small_pieces():
    parts = [b"a" * 10, b"b" * (3 * PIECE + 1), b"", b"c" * (PIECE - 1), b"dd"]
    pieces = list(gathered(parts))
    assert b"".join(pieces) == b"".join(parts)
    assert max(map(len, pieces)) == PIECE
    again, long = begun(iter(parts), 100)
    assert (long, b"".join(again)) == (True, b"".join(parts))
    again, long = begun(iter(parts[:1]), 100)
    assert (long, b"".join(again)) == (False, parts[0])
