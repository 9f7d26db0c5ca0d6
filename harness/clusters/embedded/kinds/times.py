"""Times as Go writes them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["micro_time"]


def micro_time(text: str) -> str:
    """A valid time in UTC with exactly six digits after the point, as a MicroTime is stored."""
    moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
