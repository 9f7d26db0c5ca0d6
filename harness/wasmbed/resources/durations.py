"""Times as resources spell them: a whole number with a unit, for example ``30s`` or ``5m``."""

from __future__ import annotations

import re

__all__ = ["DURATION", "parse_duration"]

DURATION = "^([1-9][0-9]{0,6}ms|[1-9][0-9]{0,4}s|[1-9][0-9]{0,3}m|[1-9][0-9]?h)$"
"""The pattern in the schemas. The longest is 99h; in milliseconds all fit 32 bits."""
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_duration(text: str) -> float:
    """Return seconds. Raises :class:`ValueError` for other forms, which the schemas exclude."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(f"invalid duration {text!r}: write a whole number with a unit, for example 30s")
    number = text.rstrip("hms")
    return int(number) * _MILLISECONDS[text.removeprefix(number)] / 1000
