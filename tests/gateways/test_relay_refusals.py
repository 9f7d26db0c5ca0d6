"""Handshakes that TLS itself refuses: board and gateway see through the relay what they see without it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

import pytest

from harness.core.network import Endpoint
from harness.wasmbed.pki.authority import DEVICE_USAGES, SERVER_USAGES, Authority, Usages
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.framing import frame
from tests.gateways.relayed import RelayedWorld


def _identity(world: RelayedWorld, kind: str) -> Identity | None:
    if kind == "unknown authority":
        return world.make_identity("dev-1", Authority.create("others", world.clock))
    if kind == "server only":
        return world.make_identity("dev-1", usages=SERVER_USAGES)
    if kind == "wrong usage":
        return world.make_identity("dev-1", usages=Usages(("key_agreement",), DEVICE_USAGES.extended))
    return None


async def _seen(endpoint: Endpoint, context: ssl.SSLContext) -> str:
    """Return the answer that a client sees of a connection on which it sends a frame that is not a message."""
    try:
        reader, writer = await asyncio.open_connection(*endpoint, ssl=context, server_hostname="localhost")
    except OSError as error:
        return getattr(error, "reason", None) or type(error).__name__
    try:
        writer.write(frame(b"\xff"))
        return (await reader.read()).hex()
    except OSError as error:
        return getattr(error, "reason", None) or type(error).__name__
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("kind", ["unknown authority", "server only", "wrong usage", "none"])
async def test_a_certificate_that_the_gateway_judges(world: RelayedWorld, kind: str) -> None:
    """The board gets the gateway's alert, or its answer, and the record has the same events."""
    context = client_context(world.servers.certificates, _identity(world, kind), world.clock)
    directly = await _seen(world.gateway.endpoint, context)
    end = "TlsRejected" if kind in ("unknown authority", "server only") else "ConnectionClosed"
    await world.until_recorded(end)
    before = len(world.of_links())
    through = await _seen(world.relay.endpoint, context)
    assert through == directly
    await world.until_relayed(end)
    await world.until_recorded(end, 2)
    assert [event[2] for event in world.relayed] == [event[2] for event in world.of_links()[before:]]


async def _refuse(endpoint: Endpoint, context: ssl.SSLContext) -> None:
    """Begin a handshake, and send the alert with which OpenSSL ends it; the event loop's own client drops that."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    reader, writer = await asyncio.open_connection(*endpoint)
    error: ssl.SSLError = ssl.SSLWantReadError()
    while isinstance(error, ssl.SSLWantReadError):
        try:
            tls.do_handshake()
        except ssl.SSLError as raised:
            error = raised
        if isinstance(error, ssl.SSLWantReadError):
            writer.write(outgoing.read())
            incoming.write(await reader.read(1 << 16))
    assert isinstance(error, ssl.SSLCertVerificationError)
    writer.write(outgoing.read())
    assert await reader.read() == b""
    writer.close()


async def test_a_gateway_that_the_board_does_not_trust(world: RelayedWorld) -> None:
    """The gateway gets the board's alert."""
    others = ServerAuthorities("others", world.clock).certificates
    context = client_context(others, world.make_identity("dev-1"), world.clock)
    await _refuse(world.gateway.endpoint, context)
    await _refuse(world.relay.endpoint, context)
    first, second = await world.until_recorded("TlsRejected", 2)
    assert second[3] == first[3]
    assert "unknown ca" in second[3]["reason"]
    (relayed,) = await world.until_relayed("TlsRejected")
    assert relayed[3] == {"reason": "TLS alert unknown_ca"}


def _hello(group: str = "", version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = version
    if group:
        context.set_ecdh_curve(group)
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


HELLOS = {
    "a group that is too expensive": _hello("ffdhe8192"),
    "TLS 1.2": _hello(version=ssl.TLSVersion.TLSv1_2),
    "not TLS": b"GET / HTTP/1.1\r\n\r\n",
    "half a hello": _hello()[:100],
    "nothing": b"",
}


@pytest.mark.parametrize("hello", HELLOS)
async def test_a_hello_that_the_gateway_judges(world: RelayedWorld, hello: str) -> None:
    """A hello that the relay cannot answer reaches the gateway as it is."""
    answers = []
    for endpoint in (world.gateway.endpoint, world.relay.endpoint):
        reader, writer = await asyncio.open_connection(*endpoint)
        writer.write(HELLOS[hello])
        writer.write_eof()
        try:
            answers.append(await reader.read())
        except ConnectionResetError:
            answers.append(b"reset")
        writer.close()
    assert answers[1] == answers[0]
    first, second = await world.until_recorded("TlsRejected", 2)
    assert second[3] == first[3]
    assert len(await world.until_relayed("TlsRejected")) == 1


async def test_a_certificate_whose_key_the_harness_does_not_have(world: RelayedWorld) -> None:
    """The relay cannot speak for the device, and says so."""
    identity = world.make_identity("dev-1")
    world.keys.clear()
    context = client_context(world.servers.certificates, identity, world.clock)
    assert await _seen(world.relay.endpoint, context) == "TLSV1_ALERT_INTERNAL_ERROR"
    (rejected,) = await world.until_relayed("TlsRejected")
    assert "has no key for this certificate" in rejected[3]["reason"]


async def test_a_gateway_that_is_not_there(world: RelayedWorld) -> None:
    """A board's connection ends; nothing is recorded, because there was no handshake."""
    await world.gateway.kill()
    context = client_context(world.servers.certificates, world.make_identity("dev-1"), world.clock)
    assert await _seen(world.relay.endpoint, context) == "ConnectionResetError"
    assert world.relayed == []
