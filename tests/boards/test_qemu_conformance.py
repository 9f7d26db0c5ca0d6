"""Emulated boards keep to the contract of every board: one kind to all of it, each that was built to the essence."""

from __future__ import annotations

import asyncio

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.boards.qemu.tier import PACKAGES
from harness.core.loop import new_runner
from harness.testing.board import BOARD_CHECKS, Expectations, check_board

WHOLE = "mps2-an385"
ESSENCE = (
    "enrolls_with_certificate",
    "survives_garbage",
    "restarts_with_its_identity",
    "restarts_in_the_middle_of_traffic",
    "runs_and_publishes",
)
PLATFORMS = find_platforms(*PACKAGES)
MISSING = QemuTier.unavailable()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def outcomes(kind: str, only: tuple[str, ...] | None = None) -> dict[str, str]:
    """What became of each check; raises if one failed."""
    if (missing := QemuTier().about(kind).unavailable) is not None:
        pytest.skip(missing)
    found: dict[str, str] = {}

    async def play() -> None:
        tier = QemuTier()
        try:
            async with asyncio.timeout(170):
                await check_board(
                    lambda settings, environment: tier.make(kind, settings, environment),
                    only=only,
                    at_once=4,
                    expectations=Expectations(patience=20),
                    progress=found.__setitem__,
                )
        finally:
            await tier.close()

    with new_runner() as runner:
        runner.run(play())
    return found


def test_the_whole_kit() -> None:
    assert outcomes(WHOLE) == dict.fromkeys(BOARD_CHECKS, "passed")


@pytest.mark.parametrize(
    "kind", [name for name, platform in PLATFORMS.items() if platform.refused is None and name != WHOLE]
)
def test_the_essence(kind: str) -> None:
    found = outcomes(kind, ESSENCE)
    features = QemuTier().features(kind)
    assert found == {name: "passed" if BOARD_CHECKS[name].features <= features else "skipped" for name in ESSENCE}
