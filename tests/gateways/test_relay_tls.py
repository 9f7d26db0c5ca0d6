"""TLS that is not this project's passes the relay: other groups, session tickets, new keys."""

from __future__ import annotations

import asyncio
import shutil
import ssl

import pytest

from harness.wasmbed.pki.tls import client_context, tls_server
from harness.wasmbed.protocol.framing import frame
from tests.gateways.relayed import LOCAL, RelayedWorld
from tests.tls_groups import needs_any_group

OPENSSL = shutil.which("openssl")
PAYLOADS = [b"first", bytes(100_000), b"last"]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@needs_any_group
@pytest.mark.parametrize("group", ["secp384r1", "X25519"])
async def test_a_gateway_of_other_groups_that_sends_tickets(world: RelayedWorld, group: str) -> None:
    """It asks the relay for another key share, and demands a certificate; the board sees neither that nor the session
    tickets, and all bytes come back."""
    context = tls_server(world.identities, world.devices.certificate).contexts[0]
    context.set_ecdh_curve(group)
    context.num_tickets = 2
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(_echo, *LOCAL, ssl=context)
    world.relay.target = server.sockets[0].getsockname()
    tls = client_context(world.servers.certificates, world.make_identity("dev-1"), world.clock)
    reader, writer = await asyncio.open_connection(*world.relay.endpoint, ssl=tls, server_hostname="localhost")
    for payload in PAYLOADS:
        writer.write(frame(payload))
        assert await reader.readexactly(len(payload) + 4) == frame(payload)
    writer.close()
    server.close()
    await world.until_relayed("ConnectionClosed")
    assert len(world.of_relay("UnreadableFrame")) == 2 * len(PAYLOADS)
    assert {event[:2] for event in world.of_relay("UnreadableFrame")} == {("Device", "Gateway"), ("Gateway", "Device")}


@pytest.mark.skipif(OPENSSL is None, reason="needs openssl (see system-packages.txt)")
async def test_new_keys_are_passed_on(world: RelayedWorld) -> None:
    """A client that changes its keys and asks for others (RFC 8446, section 4.6.3) is understood by the gateway, and
    understands its answer."""
    assert OPENSSL is not None
    host, port = world.relay.endpoint
    client = await asyncio.create_subprocess_exec(
        OPENSSL, "s_client", "-connect", f"{host}:{port}", "-tls1_3",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(b"K\n")
    said = b""
    while b"KEYUPDATE" not in said:
        piece = await client.stdout.read(1 << 16)
        assert piece, said
        said += piece
    client.stdin.write(bytes(4) + b"\n")
    said += await client.stdout.read()
    await client.wait()
    assert b"a frame of length zero" in said
