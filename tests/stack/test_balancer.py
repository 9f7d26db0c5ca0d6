"""The balancer: new connections go round the gateways, one that is down is left out, and bytes pass unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from harness.core.network import Endpoint, Listener, SystemNetwork
from harness.stack.balancer import Balancer

ANY: Endpoint = ("127.0.0.1", 0)
NOBODY: Endpoint = ("127.0.0.1", 1)
NETWORK = SystemNetwork()


class Named(asyncio.Protocol):
    """Answers with its name and what it was sent, and closes."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._name + data)
        self._transport.close()


async def server(name: bytes) -> Listener:
    return await NETWORK.listen(lambda: Named(name), ANY)


@asynccontextmanager
async def balanced(*targets: Endpoint) -> AsyncIterator[Balancer]:
    balancer = Balancer(NETWORK, lambda: targets)
    await balancer.start(ANY)
    try:
        yield balancer
    finally:
        await balancer.close()


async def ask(balancer: Balancer) -> bytes:
    reader, writer = await asyncio.open_connection(*balancer.endpoint)
    try:
        writer.write(b" hears")
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_connections_go_round_those_that_are_there() -> None:
    first, second = await server(b"first"), await server(b"second")
    async with balanced(first.endpoint, NOBODY, second.endpoint) as balancer:
        answers = [await ask(balancer) for _ in range(4)]
    assert answers == [b"first hears", b"second hears"] * 2
    for each in (first, second):
        await each.close()


async def test_without_a_gateway_a_connection_is_closed() -> None:
    async with balanced(NOBODY) as balancer:
        assert not await ask(balancer)


async def test_what_is_large_passes_whole() -> None:
    size = 4 << 20

    class Large(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            cast(asyncio.Transport, transport).write(bytes(size))
            cast(asyncio.Transport, transport).close()

    listener = await NETWORK.listen(Large, ANY)
    async with balanced(listener.endpoint) as balancer:
        assert await ask(balancer) == bytes(size)
    await listener.close()
