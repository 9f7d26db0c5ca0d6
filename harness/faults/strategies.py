"""Hypothesis strategies of schedules: needs ``hypothesis``.

A failing schedule is shrunk to few faults, early moments, and small numbers, as any other example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from hypothesis import strategies as st

from harness.faults.fault import FAULTS, VALUES, Choice, Fault, Number, Strikes, Values, Whole
from harness.faults.moments import ArrowMoment, Moment, TimeMoment, sides_of
from harness.faults.schedule import Entry, Schedule
from harness.sequences import load

__all__ = ["arrows", "faults", "moments", "schedules"]

LONGEST = 120.0
"""The most seconds that a parameter gets, so that a test sees the end of a fault."""


def faults(names: Collection[str] | None = None) -> st.SearchStrategy[Fault]:
    """Faults of these names, by default of all, with any parameters."""
    chosen = sorted(FAULTS if names is None else names)
    return st.one_of([_of(FAULTS[name]) for name in chosen])


def _of(kind: type[Fault]) -> st.SearchStrategy[Fault]:
    values = {each.name: _values(each.metadata[VALUES]) for each in dataclasses.fields(kind)}
    return st.builds(kind, **values)


def _values(values: Values) -> st.SearchStrategy[object]:
    match values:
        case Choice(known):
            return st.sampled_from(known)
        case Whole(_, least, most):
            return st.integers(least, min(most, least + 10))
        case Number(_, least, most):
            return _hundredths(least + 0.01, min(most, LONGEST))


def _hundredths(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers with two decimals: a person can read them."""
    return st.integers(round(100 * least), round(100 * most)).map(lambda hundredths: hundredths / 100)


def arrows(sequences: Collection[str], most: int = 3) -> st.SearchStrategy[ArrowMoment]:
    """Moments at the arrows of sequences, at the first time or up to the one of number ``most``."""
    found = [
        (side, name, arrow.position + 1)
        for name in sequences
        for arrow in load(name).arrows
        for side in sides_of(arrow)
    ]
    return st.builds(
        lambda point, nth: ArrowMoment(point[0], point[1], point[2], nth), st.sampled_from(found), st.integers(1, most)
    )


def moments(sequences: Collection[str] = (), latest: float = 60.0) -> st.SearchStrategy[Moment]:
    """Times up to ``latest`` seconds, and the arrows of ``sequences``."""
    times = _hundredths(0.0, latest).map(TimeMoment)
    return st.one_of(times, arrows(sequences)) if sequences else times


def schedules(
    boards: Sequence[str],
    *,
    kinds: Collection[str] | None = None,
    sequences: Collection[str] = (),
    latest: float = 60.0,
    most: int = 5,
) -> st.SearchStrategy[Schedule]:
    """Schedules of up to ``most`` faults of ``kinds`` (names; by default all) for a stack with these boards."""

    def entry(fault: Fault, when: Moment, board: str) -> Entry:
        return Entry(when, fault, "" if fault.strikes in (Strikes.GATEWAY, Strikes.CLUSTER) else board)

    entries = st.builds(entry, faults(kinds), moments(sequences, latest), st.sampled_from(list(boards)))
    return st.lists(entries, max_size=most).map(lambda found: Schedule(tuple(found)))
