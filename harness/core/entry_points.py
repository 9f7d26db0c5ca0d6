"""The entry points of the installed distributions, by group, read once in a process.

``importlib.metadata`` reads a file of every installed distribution at each call: a third of what a stack's start took.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["entry_points"]


@cache
def entry_points(group: str) -> metadata.EntryPoints:
    """The entry points of ``group``. A distribution that is installed later is not found by this process."""
    return metadata.entry_points(group=group)
