"""Devices that a random run drives message by message: they do what no board of this project does, and leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from benchmarks.clean.recipes import Draw
from harness.core.errors import HarnessError
from harness.core.network import Endpoint
from harness.stack import Stack
from harness.stack.mock_board import MockBoard
from harness.wasmbed.protocol.errors import LinkClosed

__all__ = ["visit"]

CERTIFICATES = ("valid", "valid", "valid", "request", "expired")
LONGEST = 64
"""Bytes of what is not a frame."""


async def visit(stack: Stack, name: str, endpoint: Endpoint, draw: Draw) -> None:
    """Connect a device to a gateway, let it do something, and drop it. A gateway may refuse everything, because it
    drains, or cannot reach the API server. Raises OSError if none listens."""
    peer = await stack.mock_board(name, certificate=draw.choice(CERTIFICATES), endpoint=endpoint)
    try:
        with suppress(HarnessError, LinkClosed):
            await draw.choice(ACTS)(peer, draw)
    finally:
        await peer.close()


async def _leaves(peer: MockBoard, draw: Draw) -> None:
    """It says nothing."""


async def _babbles(peer: MockBoard, draw: Draw) -> None:
    peer.write(bytes(draw.below(256) for _ in range(1 + draw.below(LONGEST))))
    await peer.until_closed()


async def _enrolls(peer: MockBoard, draw: Draw) -> None:
    await peer.enroll()
    for _ in range(draw.below(3)):
        await peer.beat()


async def _enrolls_twice(peer: MockBoard, draw: Draw) -> None:
    """The second time by the first request, whose nonce is spent."""
    request = peer.request()
    for _ in range(2):
        peer.send(request)
        await peer.receive()


async def _beats_unknown(peer: MockBoard, draw: Draw) -> None:
    await peer.beat(str(UUID(int=draw.below(1 << 32))))


async def _pairs_without_a_token(peer: MockBoard, draw: Draw) -> None:
    peer.send(peer.pairing_request())
    await peer.until_closed()


ACTS: tuple[Callable[[MockBoard, Draw], Awaitable[None]], ...] = (
    _leaves, _babbles, _enrolls, _enrolls, _enrolls, _enrolls_twice, _beats_unknown, _pairs_without_a_token,
)  # fmt: skip
