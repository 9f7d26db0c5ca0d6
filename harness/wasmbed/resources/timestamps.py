"""Timestamps in Kubernetes' form."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["format_timestamp", "parse_timestamp"]


def format_timestamp(seconds: float) -> str:
    """Return RFC 3339 in UTC with six decimals, which both ``Time`` and ``MicroTime`` of Kubernetes accept."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_timestamp(text: str) -> float:
    """Return seconds since the Unix epoch. Raises :class:`ValueError` if ``text`` is not RFC 3339 with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a timestamp without a zone: {text!r}")
    return moment.timestamp()
