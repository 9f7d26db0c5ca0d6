"""The crash-point matrix: each arrow of each executable sequence, struck by each fault, and the platform recovers.

`make test` runs a few cells, `make matrix` all of them (``WASMBED_MATRIX=all``), with pairs of faults for ``DEPTH=2``.
"""

from __future__ import annotations

import os
from itertools import islice
from math import gcd

import pytest

from harness.core.identifiers import Randomness
from harness.faults import Entry, Schedule, Strikes, TimeMoment
from tests.faults.cells import BOARDS, FAULTS, NOT_THERE, Cell, NeverComes, cells, comes, run

QUICK = 15
"""Cells in `make test`; the step from one to the next is prime to the number of faults, so each is of another fault."""
PAIRS = 3_000
LATEST = 60.0
"""Seconds after the start at which the second fault of a pair begins at the latest."""
ALL = os.environ.get("WASMBED_MATRIX") == "all"


def chosen() -> list[Cell]:
    """The cells of this run."""
    every = list(cells())
    if ALL:
        return every
    step = len(every) // QUICK
    while gcd(step, len(FAULTS)) > 1:
        step += 1
    return list(islice(every[::step], QUICK))


def pairs() -> list[tuple[Cell, float, str]]:
    """A sample of cells with a second fault at some time: always the same ones."""
    depth = os.environ.get("WASMBED_MATRIX_DEPTH", "1")
    wanted = 2 if not ALL else PAIRS if depth == "2" else 0
    every, randomness = list(cells()), Randomness(2)
    named = list(FAULTS)
    return [
        (
            every[randomness.below(len(every))],
            round(LATEST * randomness.below(10_000) / 10_000, 3),
            named[randomness.below(len(named))],
        )
        for _ in range(wanted)
    ]


def strike(cell: Cell, schedule: Schedule) -> None:
    if ALL and not comes(cell.sequence)[cell.number]:
        pytest.skip(NOT_THERE)
    try:
        run(cell.sequence, schedule)
    except NeverComes as never:
        pytest.skip(str(never))


@pytest.mark.parametrize("cell", chosen(), ids=str)
def test_the_platform_recovers(cell: Cell) -> None:
    """Devices are Connected again, applications have their final phase, sessions and resources agree, nothing is left
    behind, and each invariant holds."""
    strike(cell, cell.schedule)


@pytest.mark.parametrize(
    ("cell", "at", "fault"), [pytest.param(*each, id="{0}+{2}@{1:g}".format(*each)) for each in pairs()]
)
def test_the_platform_recovers_from_two(cell: Cell, at: float, fault: str) -> None:
    """The same, with a second fault at some time, of the first board if it is of one."""
    second = Entry(TimeMoment(at), FAULTS[fault], where=f"{BOARDS}-1" if fault_is_of_a_board(fault) else "")
    strike(cell, Schedule((*cell.schedule.entries, second)))


def fault_is_of_a_board(fault: str) -> bool:
    return FAULTS[fault].strikes not in (Strikes.GATEWAY, Strikes.CLUSTER)
