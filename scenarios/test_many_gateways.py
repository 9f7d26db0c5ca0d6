"""Several gateways behind one address: where devices go, and where they are after one has died."""

import pytest

from harness.stack import Stack
from harness.wasmbed.gateway.placement import Candidate, choose_home

pytestmark = pytest.mark.requires("several-gateways")


def home(device: str, count: int = 3) -> str:
    """The gateway of a device among ``count`` that have room."""
    chosen = choose_home(device, None, [Candidate(f"gateway-{number}", "") for number in range(1, count + 1)])
    assert chosen is not None
    return chosen.name


async def test_devices_are_spread_over_the_gateways(stack: Stack) -> None:
    """Whichever gateway a device enrolls at, it is Connected at its home."""
    await stack.scale_gateways(3)
    boards = await stack.boards.power_on(count=6)
    for board in boards:
        await stack.device(board).until(phase="Connected", gateway=home(board.name), within=30)
    assert len({home(board.name) for board in boards}) == 3
