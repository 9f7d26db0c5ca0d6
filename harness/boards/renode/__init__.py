"""Boards in Renode: fleets of our own firmware on emulated microcontrollers, several to a process.

The harness asks, a host process answers and owns Renode: ``requests`` are what goes between them, ``script`` turns them
into monitor commands, ``replies`` reads what Renode says, ``host`` is the program, ``driver`` its other end, ``farm``
gives boards their places in hosts.
"""

from harness.boards.renode.board import RenodeBoard
from harness.boards.renode.farm import Farm, FarmSnapshot
from harness.boards.renode.tier import RenodeTier

__all__ = ["Farm", "FarmSnapshot", "RenodeBoard", "RenodeTier"]
