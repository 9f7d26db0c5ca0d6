"""When watch events may arrive: in any cluster the order within one watch is fixed, their time is not."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["WatchTimes"]


class WatchTimes(StrEnum):
    """The times that a cluster can be asked to keep to, all of them legal."""

    PROMPT = "prompt"
    """As soon as possible."""
    EARLY = "early"
    """Before the answer to the write, which is late."""
    LATE = "late"
    """Each by itself, some time after the write was answered."""
    BATCHED = "batched"
    """Many at once, every now and then."""
