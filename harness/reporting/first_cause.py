"""The event at which the page opens a failed test: the earliest that may be the cause."""

from __future__ import annotations

import re

from harness.core.history import Kind
from harness.reporting.runs import TestRecord

__all__ = ["first_cause"]

_CONVICTING = re.compile(r"\(event (\d+)")
"""The number of the event at which an invariant was broken, in the text of its violation."""


def first_cause(test: TestRecord) -> int | None:
    """The index of a failed test's first fault, or of the first event that its verdict names, whichever came earlier.

    None for a test that did not fail, and if there is neither.
    """
    if test.outcome != "failed":
        return None
    named = {int(number) for number in _CONVICTING.findall(test.message)}
    for index, event in enumerate(test.events):
        if event.kind is Kind.FAULT or event.n in named:
            return index
    return None
