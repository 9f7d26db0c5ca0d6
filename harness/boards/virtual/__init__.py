"""Boards without hardware: each is a task that speaks the device's side of the protocol, thousands in one process."""

from harness.boards.virtual.board import VirtualBoard
from harness.boards.virtual.tier import VirtualTier
from harness.core.backoff import Backoff

__all__ = ["Backoff", "VirtualBoard", "VirtualTier"]
