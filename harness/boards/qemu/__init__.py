"""Boards in QEMU: our own firmware on an emulated microcontroller, one process each."""

from harness.boards.qemu.board import QemuBoard
from harness.boards.qemu.tier import QemuTier

__all__ = ["QemuBoard", "QemuTier"]
