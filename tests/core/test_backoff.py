"""The one backoff that the gateway, the controllers, informers, and virtual boards share."""

from __future__ import annotations

import pytest

from harness.core.backoff import Backoff
from harness.core.identifiers import Randomness


@pytest.mark.parametrize(("failures", "nominal"), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 8.0), (5000, 8.0)])
def test_the_delay_doubles_up_to_the_longest_and_varies_by_half(failures: int, nominal: float) -> None:
    backoff, randomness = Backoff(first=1.0, longest=8.0), Randomness(1)
    delays = [backoff.delay(failures, randomness) for _ in range(50)]
    assert 0.5 * nominal <= min(delays) < nominal < max(delays) <= 1.5 * nominal
