"""A gateway program that speaks a dialect: it answers heartbeats. In ``r`` it enrolls each device by its key first, and
has it run an application."""

import asyncio
import sys
from pathlib import Path
from typing import Any, cast

from harness.stack.mock_gateway import BoardConnection, MockGateway
from harness.stack.modules import Modules
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import load_private_key
from harness.wasmbed.protocol.dialects.messages import BareHeartbeat, DeployModule, NumberedStatus
from harness.wasmbed.protocol.messages import DeploymentResult


async def serve(link: BoardConnection, wire: str) -> None:
    if wire == "r":
        await link.enroll_bare(bytes(range(16)))
        await link.expect(cast(Any, BareHeartbeat))
        link.send(cast(Any, DeployModule("hello", "hello", Modules(Path())("hello"))))
        await link.expect(DeploymentResult)
        await link.expect(cast(Any, NumberedStatus))
    while True:
        await link.expect(cast(Any, BareHeartbeat))


async def main(wire: str, port: str, certificate: bytes, key: bytes, authority: bytes) -> None:
    identity = Identity(load_private_key(key, "the key"), certificate)
    async with MockGateway([identity], authority, listen=("127.0.0.1", int(port)), wire=wire) as gateway:
        print("listening", flush=True)
        async with asyncio.TaskGroup() as links:
            while True:
                links.create_task(serve(await gateway.accept(within=600), wire))


wire, port, *files = sys.argv[1:]
certificate, key, authority = (Path(file).read_bytes() for file in files)
asyncio.run(main(wire, port, certificate, key, authority))
