#!/usr/bin/env bash
# uvloop reads once from a connection whose reading was paused in connection_made.
#
# A proxy pauses a new connection until its own connection to the other side is made, because it has nowhere to put the bytes of a
# client that speaks first, as every TLS client does. On asyncio nothing is read until resume_reading. On uvloop data_received is
# called once with what has arrived: pause_reading in connection_made comes before uvloop begins to read, and does not prevent that.
# A pause in a later callback holds on both. Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q uvloop==0.23.0

cat >pause.py <<'PYTHON'
import asyncio
import sys

import uvloop


async def early():
    """Return the bytes of a connection that was paused in connection_made, and again after the first of them."""
    received, made = [], asyncio.Event()

    class Paused(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transport.pause_reading()
            made.set()

        def data_received(self, data):
            received.append(data)
            self.transport.pause_reading()

    server = await asyncio.get_running_loop().create_server(Paused, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await made.wait()
    for _ in range(2):
        writer.write(b"hello")
        for _ in range(100):  # turns of the event loop
            await asyncio.sleep(0)
    writer.close()
    server.close()
    return received


on_asyncio, on_uvloop = asyncio.run(early()), uvloop.run(early())
print(f"Python {sys.version.split()[0]}: asyncio {on_asyncio}, uvloop {uvloop.__version__} {on_uvloop}")
sys.exit(0 if (on_asyncio, on_uvloop) == ([], [b"hello"]) else 1)
PYTHON
venv/bin/python pause.py
