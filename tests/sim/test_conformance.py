"""Simulated boards keep the contract of every board."""

from __future__ import annotations

import pytest

from harness.boards.board import BoardEnvironment
from harness.boards.virtual import VirtualTier
from harness.core.identifiers import Randomness
from harness.sim import SimNativeTier, SimTier, Simulation
from harness.testing.board import BOARD_CHECKS, Expectations, check_board

MISSING = SimNativeTier.unavailable()
NATIVE = pytest.param(
    SimNativeTier, False, marks=pytest.mark.skipif(MISSING is not None, reason=f"no library: {MISSING}")
)


@pytest.mark.parametrize(("tier", "plain"), [(SimTier, True), (SimTier, False), NATIVE])
def test_boards_keep_the_contract(tier: type[VirtualTier | SimNativeTier], plain: bool) -> None:
    """Every check of the kit, in virtual time, over both kinds of links."""
    simulation, outcomes = Simulation(plain=plain), dict[str, str]()
    environment = BoardEnvironment(simulation.clock, simulation.network, Randomness(1))

    async def check() -> None:
        made = tier()
        try:
            await check_board(
                lambda settings, around: made.make(tier.name, settings, around),
                at_once=5,
                expectations=Expectations(patience=60.0),
                environment=environment,
                progress=outcomes.__setitem__,
            )
        finally:
            await made.close()

    with simulation.new_runner() as runner:
        runner.run(check())
    assert outcomes.keys() == BOARD_CHECKS.keys()
    assert tier is SimNativeTier or set(outcomes.values()) == {"passed"}
    assert simulation.open_sockets == 0
