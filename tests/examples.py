"""How many examples a property is checked with: few in each run of the tests, many in ``make test-deep``.

A property that holds for hundreds of examples fails for the next hundreds seldom: those are for a nightly job.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

DEEP, QUICK = "deep", "quick"
"""The profiles of Hypothesis; ``--hypothesis-profile`` chooses one."""
SHARE = 4
"""How many times more examples there are in a deep run."""

# No clock decides whether a property holds: a loaded machine makes examples slowly.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(DEEP, settings.get_profile("untimed"))
settings.register_profile(QUICK, settings.get_profile("untimed"), max_examples=100 // SHARE)


def examples(deep: int) -> int:
    """The number of examples of a property that has ``deep`` of them in a deep run."""
    return deep if settings.get_current_profile_name() == DEEP else deep // SHARE
