"""Boards in Renode: the project's firmware on emulated microcontrollers, several boards per process.

A host process owns Renode and answers the harness: ``requests`` are the messages between them, ``script`` turns them
into monitor commands, ``replies`` reads Renode's output, ``host`` is the program, ``driver`` is the harness's end, and
``farm`` gives boards their places in hosts.
"""

from harness.boards.renode.board import RenodeBoard
from harness.boards.renode.farm import Farm, FarmSnapshot
from harness.boards.renode.tier import RenodeTier

__all__ = ["Farm", "FarmSnapshot", "RenodeBoard", "RenodeTier"]
