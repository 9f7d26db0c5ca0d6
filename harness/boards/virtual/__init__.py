"""Boards without hardware: the device side of the protocol, one task each, by the thousand in one process."""

from harness.boards.virtual.board import VirtualBoard
from harness.boards.virtual.tier import VirtualTier
from harness.core.backoff import Backoff

__all__ = ["Backoff", "VirtualBoard", "VirtualTier"]
