"""Keeps the garbage collector out of a simulation's way.

A simulation makes few cycles, and a history that stays: at Python's thresholds a sixth of its time goes into looking
through that history again and again. So cycles are looked for seldom, and what one simulation leaves is freed before
the next. Modules, which stay too, are then kept out of collections.
"""

from __future__ import annotations

import gc
from typing import ClassVar

__all__ = ["RareCollections"]

_THRESHOLDS = (50_000, 20, 100)


class RareCollections:
    """From its making to :meth:`end`, one for each simulation."""

    _simulations: ClassVar[int] = 0
    """How many this process has begun."""

    def __init__(self) -> None:
        if RareCollections._simulations:
            gc.collect()
        if RareCollections._simulations == 1:
            gc.freeze()
        RareCollections._simulations += 1
        self._before = gc.get_threshold()
        gc.set_threshold(*_THRESHOLDS)

    def end(self) -> None:
        gc.set_threshold(*self._before)
