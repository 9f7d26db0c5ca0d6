"""Boards in QEMU: the project's firmware on an emulated microcontroller, one process per board."""

from harness.boards.qemu.board import QemuBoard
from harness.boards.qemu.tier import QemuTier

__all__ = ["QemuBoard", "QemuTier"]
