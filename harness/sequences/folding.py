"""Folds repetitions in a list into loops, so that an hour of heartbeats is one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.sequences.tree import Arrow

__all__ = ["Loop", "fold"]

_LONGEST = 24
"""The most items in one turn of a loop."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Items that were seen ``turns`` times in a row. Loops with the same items are equal, whatever their turns."""

    body: tuple[Arrow | Loop, ...]
    turns: int = field(compare=False)


def fold(arrows: Iterable[Arrow]) -> list[Arrow | Loop]:
    """The same arrows in the same order, with direct repetitions folded into loops, innermost first."""
    folded: list[Arrow | Loop] = list(arrows)
    length = 0
    while length != len(folded):
        length = len(folded)
        for size in range(1, min(_LONGEST, length // 2) + 1):
            folded = _fold(folded, size)
    return folded


def _fold(items: list[Arrow | Loop], size: int) -> list[Arrow | Loop]:
    """Fold repetitions of ``size`` items into loops."""
    numbers: dict[Arrow | Loop, int] = {}
    code = [numbers.setdefault(item, len(numbers)) for item in items]
    found: list[Arrow | Loop] = []
    index = 0
    while index < len(items):
        turns = 1
        while code[index : index + size] == code[index + turns * size : index + (turns + 1) * size] != []:
            turns += 1
        if turns == 1:
            found.append(items[index])
            index += 1
        else:
            found.append(Loop(tuple(items[index : index + size]), turns))
            index += turns * size
    return found
