#!/usr/bin/env bash
# aiohttp's client: `await session.close()` does not wait for the TLS connection of a request that was cancelled before its answer.
#
# The connection of a request that is cancelled while its headers are awaited is closed with a TLS closure alert, and forgotten: it
# waits for the peer's alert while `session.close()` returns at once. An event loop that ends then finds an open transport. A connection
# that waits for its next request is closed before `session.close()` returns. Needs python3 (3.11 or newer). Exits with 0 while this
# holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q aiohttp==3.14.5 trustme==1.2.1
cat >open.py <<'PYTHON'
import asyncio
import ssl
import sys
from contextlib import suppress

import aiohttp
import trustme

AUTHORITY = trustme.CA()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def run(*, cancelled):
    """Return whether the client's connection is still open after session.close()."""
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        if not cancelled:
            writer.write(ANSWER)
        await ended.wait()  # it does not read, so it does not answer a closure alert either
        writer.transport.abort()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(tls)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    sockets = []

    def make(info):
        import socket

        made = socket.socket(*info[:3])
        made.setblocking(False)
        sockets.append(made.fileno())
        return made

    connector = aiohttp.TCPConnector(ssl=trusting, socket_factory=make)
    session = aiohttp.ClientSession(connector=connector)
    port = server.sockets[0].getsockname()[1]
    request = asyncio.create_task(session.get(f"https://127.0.0.1:{port}/"))
    await arrived.wait()
    if cancelled:
        request.cancel()
        with suppress(asyncio.CancelledError):
            await request
    else:
        await (await request).read()
    await session.close()
    selector = asyncio.get_running_loop()._selector
    is_open = any(descriptor in selector.get_map() for descriptor in sockets)
    ended.set()
    server.close()
    return is_open


idle, cancelled = asyncio.run(run(cancelled=False)), asyncio.run(run(cancelled=True))
print(f"aiohttp {aiohttp.__version__}, Python {sys.version.split()[0]}: after session.close() the connection")
print(f"  of an answered request is {'open' if idle else 'closed'}")
print(f"  of a request that was cancelled before its answer is {'open' if cancelled else 'closed'}")
sys.exit(0 if (idle, cancelled) == (False, True) else 1)
PYTHON
venv/bin/python open.py
