"""Differences between two runs: outcomes, times, events at each boundary, verdicts of sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.history import Event, Kind
from harness.reporting.runs import TestRecord, iterate_run

__all__ = ["Change", "Comparison", "Slower", "compare_runs"]

SLOWER = 1.25
NOTICED = 0.1
"""A time has changed if it differs by a quarter and by this number of seconds."""
JUDGED = "sequence judged"
"""The note that ``history.follows`` records, with ``sequence`` and ``followed``."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value of ``test`` in the first run (``before``) and in the second (``after``); None if absent."""

    test: str
    before: str | None
    after: str | None
    blame: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Slower:
    """A test whose time changed, in seconds."""

    test: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two runs. ``same_outcome`` is the number of tests with the same outcome."""

    newly_failing: list[Change] = field(default_factory=list)
    newly_passing: list[Change] = field(default_factory=list)
    newly_not_run: list[Change] = field(default_factory=list)
    other: list[Change] = field(default_factory=list)
    added: list[Change] = field(default_factory=list)
    removed: list[Change] = field(default_factory=list)
    same_outcome: int = 0
    times: list[Slower] = field(default_factory=list)
    duration: tuple[float, float] = (0.0, 0.0)
    """Seconds of the tests that both runs judged."""
    boundaries: list[tuple[str, int, int]] = field(default_factory=list)
    """Events at each boundary, of the tests that both runs judged."""
    sequences: list[Change] = field(default_factory=list)
    """Verdicts of a sequence on a test that differ."""

    @property
    def worse(self) -> bool:
        """Whether something fails that did not fail before."""
        return bool(
            self.newly_failing
            or any(change.after == "failed" for change in self.added)
            or any(change.after == "broken" for change in self.sequences)
        )


@dataclass(frozen=True, slots=True)
class _Digest:
    outcome: str
    blame: str | None
    message: str
    duration: float
    events: Counter[str]
    sequences: dict[str, str]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare two runs, with only one history at a time in memory.

    Raises UsageError if a folder has no run.
    """
    before = {test.name: _digest(test) for test in iterate_run(first)}
    after = {test.name: _digest(test) for test in iterate_run(second)}
    both = [name for name in before if name in after]
    judged = [name for name in both if {before[name].outcome, after[name].outcome} <= {"passed", "failed"}]
    found = Comparison(
        same_outcome=sum(before[name].outcome == after[name].outcome for name in both),
        duration=(sum(before[name].duration for name in judged), sum(after[name].duration for name in judged)),
        boundaries=_boundaries([(before[name], after[name]) for name in judged]),
    )
    for name in both:
        one, two = before[name], after[name]
        if one.outcome != two.outcome:
            lists = {"failed": found.newly_failing, "passed": found.newly_passing, "not run": found.newly_not_run}
            change = Change(name, one.outcome, two.outcome, two.blame, two.message)
            lists.get(two.outcome, found.other).append(change)
        found.sequences.extend(_verdicts(name, one, two))
    times = [Slower(name, before[name].duration, after[name].duration) for name in judged]
    found.times.extend(time for time in times if _noticed(time.before, time.after))
    found.times.sort(key=lambda time: time.before - time.after)
    found.added.extend(_only(after, before, added=True))
    found.removed.extend(_only(before, after, added=False))
    return found


def _digest(test: TestRecord) -> _Digest:
    return _Digest(
        test.outcome,
        test.blame,
        test.message,
        test.duration,
        Counter(_boundary(event) for event in test.events if event.kind is not Kind.NOTE),
        {
            str(event.data.get("sequence")): "followed" if event.data.get("followed") else "broken"
            for event in test.events
            if event.kind is Kind.NOTE and event.name == JUDGED
        },
    )


def _boundary(event: Event) -> str:
    if event.kind is Kind.MESSAGE:
        return f"{event.source} -> {event.target}"
    return {Kind.STATE: "resource changes", Kind.FAULT: "faults", Kind.CONSOLE: "console lines"}[event.kind]


def _boundaries(pairs: list[tuple[_Digest, _Digest]]) -> list[tuple[str, int, int]]:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for one, two in pairs:
        before += one.events
        after += two.events
    return [(name, before[name], after[name]) for name in sorted(set(before) | set(after))]


def _noticed(before: float, after: float) -> bool:
    low, high = sorted((before, after))
    return high - low > NOTICED and high > low * SLOWER


def _verdicts(test: str, one: _Digest, two: _Digest) -> Iterator[Change]:
    for name in sorted(set(one.sequences) | set(two.sequences)):
        before, after = one.sequences.get(name), two.sequences.get(name)
        if before != after:
            yield Change(f"{name} by {test}", before, after)


def _only(these: dict[str, _Digest], others: dict[str, _Digest], *, added: bool) -> Iterator[Change]:
    for name, digest in these.items():
        if name not in others:
            before, after = (None, digest.outcome) if added else (digest.outcome, None)
            yield Change(name, before, after, digest.blame, digest.message)
