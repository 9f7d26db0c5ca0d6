"""What a board and a gateway see through the relay, and what the history has of it."""

from __future__ import annotations

import pytest

from harness.wasmbed.protocol.errors import LinkClosed
from harness.wasmbed.protocol.messages import Error
from tests.gateways.relayed import RelayedWorld


async def test_the_relay_records_what_the_gateway_records(world: RelayedWorld) -> None:
    """From the handshake to the end, an enrollment and a deployment are the same events in both records."""
    device = await world.connected()
    await world.make_application()
    assert (await world.deploy())[0] == 202
    await device.accept_deployment()
    await world.state("deployed")
    await device.link.close()
    await world.until_relayed("ConnectionClosed")
    await world.until_recorded("ConnectionClosed")
    assert world.relayed == world.of_links()
    assert len(world.of_relay("ModuleChunk")) == 1
