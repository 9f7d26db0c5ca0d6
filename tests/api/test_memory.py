"""A server that has ended is not kept in memory."""

import gc
from weakref import ref

from harness.wasmbed.api.settings import ApiSettings
from tests.api.world import World


async def test_a_server_that_has_ended_is_gone() -> None:
    async with World(ApiSettings()).running() as world:
        await world.ask("GET", "/api/v1/devices")
        await world.ask("GET", "/healthz")
        server = ref(world.server)
        site = ref(world.server._site)
    del world
    gc.collect()
    assert server() is None
    assert site() is None
