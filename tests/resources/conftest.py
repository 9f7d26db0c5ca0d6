"""Fixtures of the resources' tests: an embedded cluster, on a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import Clock, ManualClock
from harness.core.identifiers import Randomness


@pytest.fixture
def clock(settings: dict[str, Any]) -> Clock:
    """A clock that the test moves, or the one that ``clock`` of the marker ``settings`` makes."""
    made: Clock = settings.get("clock", ManualClock)()
    return made


@pytest.fixture
async def cluster(clock: Clock) -> AsyncIterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(clock, Randomness(1))
    await cluster.start()
    yield cluster
    await cluster.stop()
