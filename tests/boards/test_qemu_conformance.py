"""Emulated boards keep the contract of every board: one kind is checked completely, each other one in part.

The times of the checks are long against every pause that a busy computer makes: a check ends as soon as the board has
done what it has to, so long times cost nothing on a quiet one, and no verdict depends on speed.
"""

from __future__ import annotations

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.boards.qemu.tier import PACKAGES
from harness.testing.board import BOARD_CHECKS, Expectations, check_board
from tests.loops import harness_loop

WHOLE = "mps2-an385"
PART = (
    "enrolls_with_certificate",
    "survives_garbage",
    "restarts_with_its_identity",
    "restarts_in_the_middle_of_traffic",
    "runs_and_publishes",
)
PLATFORMS = find_platforms(*PACKAGES)
MISSING = QemuTier.unavailable()
pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

SLOW = Expectations(patience=120, heartbeat=2.0)
"""A board gives up a link after three unanswered heartbeats, so a pause of the board or of this process must be
shorter."""

new_loop = pytest.fixture(harness_loop, name="new_loop")


async def outcomes(kind: str, only: tuple[str, ...] | None = None) -> dict[str, str]:
    """Run checks on boards of ``kind``; returns the outcome of each. Raises ProductFailure if one failed."""
    if (missing := QemuTier().about(kind).unavailable) is not None:
        pytest.skip(missing)
    found: dict[str, str] = {}
    tier = QemuTier()
    try:
        await check_board(
            lambda settings, environment: tier.make(kind, settings, environment),
            only=only,
            at_once=4,
            expectations=SLOW,
            progress=found.__setitem__,
        )
    finally:
        await tier.close()
    return found


@pytest.mark.time_limit(1200)
async def test_the_whole_kit() -> None:
    assert await outcomes(WHOLE) == dict.fromkeys(BOARD_CHECKS, "passed")


@pytest.mark.parametrize(
    "kind", [name for name, platform in PLATFORMS.items() if platform.refused is None and name != WHOLE]
)
async def test_a_part_of_the_kit(kind: str) -> None:
    found = await outcomes(kind, PART)
    features = QemuTier().features(kind)
    assert found == {name: "passed" if BOARD_CHECKS[name].features <= features else "skipped" for name in PART}
