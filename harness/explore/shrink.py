"""Makes a failing case small: fewer faults, boards and seconds, early and round times, parameters without surprise.

A small search of its own that starts from the case: Hypothesis cannot be given an example to shrink, and would look for
another failing one first (`docs/decisions.md`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.explore.acts import Act
from harness.explore.case import Case
from harness.faults import ArrowMoment, Entry, TimeMoment

__all__ = ["shrunk"]

MOST_RUNS = 150
"""Runs that one search takes at most."""


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The smallest case found that still ``fails``; ``case`` itself does. Each step that fails is kept, and the search
    begins again until no step does."""
    left, tried = MOST_RUNS, {_key(case)}
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(case):
            if (key := _key(candidate)) in tried:
                continue
            if not left:
                return case
            left -= 1
            tried.add(key)
            if fails(candidate):
                case, smaller = candidate, True
                break
    return case


def _key(case: Case) -> str:
    return str(case.to_json())


def _smaller(case: Case) -> Iterator[Case]:
    """Cases that are smaller by one step, the largest step first."""
    entries = case.schedule.entries
    if len(entries) > 3:
        yield case.with_faults(*entries[: len(entries) // 2])
        yield case.with_faults(*entries[len(entries) // 2 :])
    for number in range(len(entries)):
        yield case.with_faults(*entries[:number], *entries[number + 1 :])
    if case.order != "fifo":
        yield replace(case, order="fifo")
    if case.managers > 1:
        yield replace(case, managers=1)
    if len(case.acts) > 2:
        yield replace(case, acts=case.acts[: len(case.acts) // 2])
    for number in range(len(case.acts)):
        yield replace(case, acts=case.acts[:number] + case.acts[number + 1 :])
    for boards in (1, 2, 3, 5):
        if boards < case.boards:
            yield _with_boards(case, boards)
    for seconds in (5.0, 15.0, 30.0):
        if seconds < case.seconds:
            yield replace(case, seconds=seconds)
    if case.seed:
        yield replace(case, seed=0)
    for number, entry in enumerate(entries):
        for simpler in _simpler(entry):
            yield case.with_faults(*entries[:number], simpler, *entries[number + 1 :])
    for number, act in enumerate(case.acts):
        sooner = replace(act, after=max(act.after - 1, 0))
        for plain in (sooner, replace(act, at=0.0), replace(act, which=0), replace(act, module=Act("deploy").module)):
            yield replace(case, acts=(*case.acts[:number], plain, *case.acts[number + 1 :]))


def _with_boards(case: Case, boards: int) -> Case:
    """The case with fewer boards: those that are struck are the first ones."""
    named = list(dict.fromkeys(each.where for each in case.schedule.entries if each.where.startswith(f"{case.tier}-")))
    names = {old: f"{case.tier}-{1 + number % boards}" for number, old in enumerate(named)}
    entries = [replace(each, where=names.get(each.where, each.where)) for each in case.schedule.entries]
    return replace(case.with_faults(*entries), boards=boards)


def _simpler(entry: Entry) -> Iterator[Entry]:
    """An entry with a simpler time, place, or parameter."""
    when = entry.when
    if isinstance(when, TimeMoment):
        for at in (0.0, float(int(when.at) // 10 * 10), float(int(when.at)), round(when.at, 1)):
            if at < when.at:
                yield replace(entry, when=TimeMoment(at))
    if isinstance(when, ArrowMoment) and when.nth > 1:
        yield replace(entry, when=replace(when, nth=1))
        yield replace(entry, when=replace(when, nth=when.nth - 1))
    defaults = entry.fault.parameters()
    for field in dataclasses.fields(entry.fault):
        value, default = getattr(entry.fault, field.name), defaults[field.name]
        if value == default:
            continue
        yield replace(entry, fault=replace(entry.fault, **{field.name: default}))
        if isinstance(value, float):
            for rounded in (float(int(value)), round(value, 1)):
                if 0 < rounded < value:
                    yield replace(entry, fault=replace(entry.fault, **{field.name: rounded}))
