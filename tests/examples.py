"""How many examples a property is checked with: few in each run of the tests, many in ``make test-deep``.

A property that holds for hundreds of examples fails for the next hundreds seldom: those are for a nightly job.
"""

from __future__ import annotations

from hypothesis import settings

DEEP, QUICK = "deep", "quick"
"""The profiles of Hypothesis; ``--hypothesis-profile`` chooses one."""
SHARE = 4
"""How many times more examples there are in a deep run."""

settings.register_profile(DEEP)
settings.register_profile(QUICK, max_examples=100 // SHARE)


def examples(deep: int) -> int:
    """The number of examples of a property that has ``deep`` of them in a deep run."""
    return deep if settings.get_current_profile_name() == DEEP else deep // SHARE
