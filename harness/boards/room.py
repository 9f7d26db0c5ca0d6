"""The room that each kind of board has for an application, for compilers."""

from __future__ import annotations

from harness.boards.platform import find_platforms
from harness.boards.virtual.firmware import LARGEST_MODULE, MEMORY
from harness.wasmbed.compile.results import BoardRoom

__all__ = ["board_rooms"]


def board_rooms() -> tuple[BoardRoom, ...]:
    """Return it for virtual boards, and for each kind of ``platforms/`` by name, whether its emulator is here or not.

    Raises UsageError for a board description that cannot be read.
    """
    emulated = sorted(find_platforms().values(), key=lambda platform: platform.name)
    return (
        BoardRoom("virtual", LARGEST_MODULE, MEMORY),
        *(BoardRoom(each.name, each.largest_module, each.largest_memory) for each in emulated),
    )
