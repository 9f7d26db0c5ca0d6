"""The system's network uses the running loop's TCP."""

import asyncio

import pytest

from harness.core.network import SystemNetwork


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Caller(asyncio.Protocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        transport.write(b"ping")

    def data_received(self, data: bytes) -> None:
        self.answer.set_result(data)
        self.transport.close()


async def test_a_connection_carries_bytes_both_ways() -> None:
    network = SystemNetwork()
    listener = await network.listen(Echo, ("127.0.0.1", 0))
    caller = await network.connect(Caller, listener.endpoint)
    assert await caller.answer == b"ping"
    await listener.close()


async def test_a_port_that_is_taken_is_an_os_error() -> None:
    network = SystemNetwork()
    listener = await network.listen(Echo, ("127.0.0.1", 0))
    try:
        with pytest.raises(OSError, match=r"in use"):
            await network.listen(Echo, listener.endpoint)
    finally:
        await listener.close()
