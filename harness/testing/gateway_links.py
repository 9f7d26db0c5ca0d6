"""The checks of a gateway about its devices: TLS, enrollment, heartbeats, deployments."""

from __future__ import annotations

import asyncio
import ssl

from harness.core.errors import ProductFailure
from harness.stack.credentials import Certificate
from harness.stack.mock_board import MockBoard
from harness.stack.stack import Stack
from harness.testing.require import require
from harness.wasmbed.pki.tls import trust
from harness.wasmbed.protocol.messages import HeartbeatAcknowledgment

__all__ = [
    "Silent",
    "answers_heartbeats",
    "deploys_an_application",
    "enrolls_a_device",
    "is_in_the_record",
    "is_trusted_by_boards",
    "pairs_a_device",
    "refuses_an_unknown_authority",
    "serves_its_http_api",
    "shown_certificate",
    "shuts_out_a_revoked_device",
]

NAME = "checked"
WITHIN = 30.0
"""Seconds for the gateway to do something that it has to do at once."""


async def is_trusted_by_boards(stack: Stack) -> None:
    """It speaks TLS 1.3, and presents a certificate that one of the authorities of the stack's gateways has signed."""
    await shown_certificate(stack)


async def refuses_an_unknown_authority(stack: Stack) -> None:
    """A device whose certificate another authority signed gets no session: the handshake or the link ends."""
    board = MockBoard(NAME, await stack.pki.credentials(NAME, Certificate.UNKNOWN_AUTHORITY), stack.clock)
    try:
        await board.connect(stack.gateway.direct_endpoint, stack.network)
        board.send(board.request())
        await board.until_closed(within=WITHIN)
    except OSError:
        return
    finally:
        await board.close()
    require(
        not stack.history.find("POST Device", about=NAME), "a Device was made for an unknown authority's certificate"
    )


async def enrolls_a_device(stack: Stack) -> None:
    """A device with a certificate enrolls, and its Device becomes Connected."""
    await _enrolled(stack)


async def answers_heartbeats(stack: Stack) -> None:
    """Each heartbeat is answered under its own message id."""
    board = await _enrolled(stack)
    for _ in range(3):
        await board.expect(HeartbeatAcknowledgment, board.send(board.heartbeat()), within=WITHIN)


async def is_in_the_record(stack: Stack) -> None:
    """The link's messages and the gateway's requests to the cluster are in the history, each under its party's name."""
    board = await _enrolled(stack)
    await board.close()
    for name in ("TlsConnected", "EnrollmentRequest", "EnrollmentResponse", "Heartbeat", "ConnectionClosed"):
        await stack.history.until(name, about=NAME, within=WITHIN)
    await stack.history.until("PATCH Device", source="Gateway", about=NAME, within=WITHIN)


async def pairs_a_device(stack: Stack) -> None:
    """A device with a pairing token gets a certificate for its signing request, and connects with it."""
    board = await stack.boards.power_on("virtual", name=NAME, certificate=Certificate.REQUEST)
    await stack.device(board).until(phase="Connected", within=WITHIN)


async def shuts_out_a_revoked_device(stack: Stack) -> None:
    """A device loses its session when its certificate is revoked."""
    board = await _enrolled(stack)
    await stack.pki.revoke(board.credentials)
    await board.until_closed(within=WITHIN)


async def serves_its_http_api(stack: Stack) -> None:
    """``/healthz`` answers 200, and the list of sessions has the device that is connected."""
    await _enrolled(stack)
    status, _ = await stack.gateway.ask("GET", "/healthz", token="")
    require(status == 200, f"/healthz answers {status}")
    require(NAME in await stack.gateway.sessions(), "the session of a connected device is not listed")


async def deploys_an_application(stack: Stack) -> None:
    """An application gets to a board and runs there."""
    board = await stack.boards.power_on("virtual", name=NAME)
    await stack.device(board).until(phase="Connected", within=WITHIN)
    application = await stack.deploy("hello", to=board)
    await application.until(phase="Running", within=WITHIN)


async def shown_certificate(stack: Stack) -> bytes:
    """Connect to the gateway itself; returns its certificate, DER. Raises ProductFailure if a board would refuse it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    trust(context, stack.pki.servers.certificates)
    try:
        shown = await stack.network.connect(Silent, stack.gateway.direct_endpoint, tls=context, server_name="127.0.0.1")
    except OSError as error:
        raise ProductFailure(f"boards refuse its certificate, or its TLS: {error}") from error
    shown.close()
    return shown.certificate


class Silent(asyncio.Protocol):
    """A connection that says nothing, and notes the certificate that it is shown."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        secured = transport.get_extra_info("ssl_object")
        self.certificate: bytes = secured.getpeercert(binary_form=True) if secured is not None else b""

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


async def _enrolled(stack: Stack) -> MockBoard:
    board = await stack.mock_board(NAME)
    await board.enroll()
    await stack.device(NAME).until(phase="Connected", within=WITHIN)
    return board
