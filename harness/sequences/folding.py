"""Repetition in a list becomes loops, so that an hour of heartbeats is one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.sequences.tree import Arrow

__all__ = ["Loop", "fold"]

_LONGEST = 24
"""Items that one turn of a loop may have."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Something that was seen ``turns`` times in a row; how often does not tell two loops apart."""

    body: tuple[Arrow | Loop, ...]
    turns: int = field(compare=False)


def fold(arrows: Iterable[Arrow]) -> list[Arrow | Loop]:
    """The same arrows in the same order, with what repeats directly put into loops, innermost first."""
    folded: list[Arrow | Loop] = list(arrows)
    length = 0
    while length != len(folded):
        length = len(folded)
        for size in range(1, min(_LONGEST, length // 2) + 1):
            folded = _fold(folded, size)
    return folded


def _fold(items: list[Arrow | Loop], size: int) -> list[Arrow | Loop]:
    """Put repetitions of ``size`` items into loops, and turns that stand beside their loop into it."""
    numbers: dict[Arrow | Loop, int] = {}
    code = [numbers.setdefault(item, len(numbers)) for item in items]
    found: list[Arrow | Loop] = []
    index = 0
    while index < len(items):
        turns = 1
        while code[index : index + size] == code[index + turns * size : index + (turns + 1) * size] != []:
            turns += 1
        body = tuple(items[index : index + size])
        if turns == 1 or len(body) < size:
            found.append(items[index])
            index += 1
        elif size == 1 and isinstance(items[index], Loop):
            loops = [item for item in items[index : index + turns] if isinstance(item, Loop)]
            found.append(Loop(loops[0].body, sum(loop.turns for loop in loops)))
            index += turns
        else:
            found.append(Loop(body, turns))
            index += turns * size
    return _absorb(found)


def _absorb(items: list[Arrow | Loop]) -> list[Arrow | Loop]:
    found: list[Arrow | Loop] = []
    for item in items:
        found.append(item)
        if isinstance(item, Loop):
            size = len(item.body)
            while tuple(found[-1 - size : -1]) == item.body:
                item = Loop(item.body, item.turns + 1)
                found[-1 - size :] = [item]
        elif (turn := _turn_of_last_loop(found)) is not None:
            loop, size = turn
            found[-1 - size :] = [Loop(loop.body, loop.turns + 1)]
    return found


def _turn_of_last_loop(found: list[Arrow | Loop]) -> tuple[Loop, int] | None:
    """If the last items are one more turn of the loop before them: that loop and how many they are."""
    for size in range(1, min(_LONGEST, len(found) - 1) + 1):
        loop = found[-1 - size]
        if isinstance(loop, Loop):
            return (loop, size) if tuple(found[-size:]) == loop.body else None
    return None
