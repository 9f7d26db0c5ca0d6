"""An exploration in this process: one case after the other, until the time is over or something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.clock import Clock
from harness.explore.case import Case, Outcome, run
from harness.explore.explorer import Explorer, Group
from harness.explore.finding import reproduced, write
from harness.explore.shrink import shrunk

__all__ = ["Limits", "Progress", "Session", "explore", "smallest"]

REPORT_EVERY = 5.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class Limits:
    """When an exploration ends: after ``seconds`` of real time, after ``runs`` if given, and at the first failure
    unless it goes on."""

    seconds: float
    runs: int | None = None
    keep_going: bool = False


class Progress:
    """Lines about an exploration, one every few seconds at most."""

    def __init__(self, explorer: Explorer, clock: Clock, say: Callable[[str], object]) -> None:
        self._explorer, self._clock, self.say = explorer, clock, say
        self._began = self._told = clock.now()
        self._features = 0

    @property
    def seconds(self) -> float:
        """Real seconds since the beginning."""
        return self._clock.now() - self._began

    def tell(self) -> None:
        """Say how far it is, unless that was said just now."""
        if self._clock.now() - self._told >= REPORT_EVERY:
            self._told = self._clock.now()
            self.say(self.line())

    def line(self) -> str:
        """How far it is."""
        explorer = self._explorer
        rate = 60 * explorer.runs / self.seconds if self.seconds > 0 else 0.0
        new, self._features = len(explorer.features) - self._features, len(explorer.features)
        return (
            f"{self.seconds:.0f} s: {explorer.runs} schedules ({rate:.0f} a minute), {self._features} features"
            f" ({new} new), {len(explorer.corpus)} in the corpus, {explorer.failures} failures of"
            f" {len(explorer.groups)} causes"
        )


@dataclass
class Session:
    """The parts that all explorations share: the explorer, the folder of findings, and the end."""

    explorer: Explorer
    limits: Limits
    folder: Path
    progress: Progress
    tests: dict[Group, Path] = field(default_factory=dict)
    """The test files of findings."""

    @property
    def over(self) -> bool:
        """Whether no further case is to begin."""
        limits, explorer = self.limits, self.explorer
        if explorer.groups and not limits.keep_going:
            return True
        return self.progress.seconds >= limits.seconds or (limits.runs is not None and explorer.runs >= limits.runs)

    def write(self, group: Group) -> Path:
        """Write the files of a group's smallest case; returns the path of the test."""
        self.tests[group] = path = write(self.folder, group.case, group.failure)
        self.progress.say(f"found: {group}: {group.failure.words.partition(chr(10))[0]}")
        return path

    def found(self, group: Group) -> None:
        """Write a group's smallest case, and see whether its test fails alike."""
        path = self.write(group)
        again = "fails for the same reason" if reproduced(path, group.failure) else "does not fail alike"
        self.progress.say(f"  {path} {again} in another process")


def explore(session: Session, run_case: Callable[[Case], Outcome] = run) -> None:
    """Explore until it is over. Its content follows from the explorer's seed."""
    while not session.over:
        case = session.explorer.next()
        group = session.explorer.learn(case, run_case(case))
        if group is not None:
            session.progress.say(f"failure: {group}; looking for the smallest schedule ...")
            if session.explorer.shrunk(group, smallest(group, run_case)):
                session.found(group)
        session.progress.tell()


def smallest(group: Group, run_case: Callable[[Case], Outcome] = run) -> Case:
    """The smallest case that fails as the group does."""
    return shrunk(group.case, lambda case: run_case(case).failure == group.failure)
