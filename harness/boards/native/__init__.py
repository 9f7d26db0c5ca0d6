"""Boards that run the firmware's own code in this process, without an emulator: a shared library that is given the time
and the bytes that arrive, and nothing else."""

from harness.boards.native.tier import NativeTier

__all__ = ["NativeTier"]
