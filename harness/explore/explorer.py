"""The state of an exploration: its corpus, the case that it tries next, and its failures by cause. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.identifiers import Randomness
from harness.explore.case import Case, Failure, Outcome
from harness.explore.draw import Draw

__all__ = ["Explorer", "Group", "Kept"]

MOST_KEPT = 1_000
"""Cases of the corpus: the one that was varied most often goes first."""
OTHER = 4
"""Three cases in four are of the kind, drawn anew or varied, that has shown more of late."""
LATE = 8
"""Cases of a kind that count most for that."""


@dataclass(eq=False)
class Kept:
    """A case of the corpus, how many features it was the first to show, and how often it was varied."""

    case: Case
    new: int
    varied: int = 0


@dataclass(eq=False)
class Group:
    """Failures of one cause: what is wrong, who is to blame, and the faults that it takes."""

    failure: Failure
    case: Case
    """The smallest one so far."""
    count: int = 1
    found_at: int = 0
    """The number of the run."""
    features: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def faults(self) -> frozenset[str]:
        """The names of the faults of its case."""
        return faults_of(self.case)

    def __str__(self) -> str:
        return f"{self.failure} after {', '.join(sorted(self.faults)) or 'no fault'}"


class Explorer:
    """``next`` gives a case, ``learn`` takes its outcome. What it tries follows from ``seed`` and the outcomes."""

    def __init__(self, seed: int, *, boards: int, tier: str, seconds: float = 60.0) -> None:
        randomness = Randomness(seed)
        self._draw = Draw(randomness.fork("cases"), boards=boards, tier=tier, seconds=seconds)
        self._choice = randomness.fork("corpus")
        self.corpus: list[Kept] = []
        self.features: set[str] = set()
        self.groups: list[Group] = []
        self.runs = 0
        self.failures = 0
        self._gain = {True: 0.0, False: 0.0}
        """New features of late, for a case that was drawn anew (True), or varied."""
        self._anew: dict[Case, bool] = {}
        """How the cases were made whose outcome is to come."""

    def next(self) -> Case:
        """The next case: drawn anew, or a variation of one that showed something new."""
        anew = (self._gain[True] >= self._gain[False]) != (self._choice.below(OTHER) == 0) or not self.corpus
        if anew:
            case = self._draw.new()
        else:
            kept, other = self._least_varied(), self._any()
            kept.varied += 1
            case = self._draw.varied(kept.case, other.case)
        self._anew[case] = anew
        return case

    def learn(self, case: Case, outcome: Outcome) -> Group | None:
        """Take the outcome of a case; returns the group of a failure whose cause was not known."""
        self.runs += 1
        new = self.keep(case, outcome.features)
        if (anew := self._anew.pop(case, None)) is not None:
            self._gain[anew] += (new - self._gain[anew]) / LATE
        if outcome.failure is None:
            return None
        self.failures += 1
        case = case.with_faults(*(case.schedule.entries[number] for number in outcome.applied))
        for group in self.groups:
            if group.failure == outcome.failure and group.faults <= faults_of(case):
                group.count += 1
                return None
        group = Group(outcome.failure, case, found_at=self.runs)
        self.groups.append(group)
        return group

    def keep(self, case: Case, features: frozenset[str]) -> int:
        """Keep a case if it showed a new feature; returns how many."""
        new = len(features - self.features)
        if new:
            self.features |= features
            self.corpus.append(Kept(case, new))
            if len(self.corpus) > MOST_KEPT:
                self.corpus.remove(max(self.corpus, key=lambda kept: kept.varied))
        return new

    def shrunk(self, group: Group, case: Case) -> bool:
        """Take the smallest case of a group. Returns False if its cause turns out to be known."""
        group.case = case
        for other in self.groups:
            if other is not group and other.failure == group.failure and other.faults == group.faults:
                other.count += group.count
                self.groups.remove(group)
                return False
        return True

    def meet(self, group: Group) -> bool:
        """Take a group that another machine has found; False if its cause is known."""
        if any(other.failure == group.failure and other.faults == group.faults for other in self.groups):
            return False
        self.groups.append(group)
        return True

    def _least_varied(self) -> Kept:
        """Of three cases the one that was varied the least, for what it has shown."""
        return min((self._any() for _ in range(3)), key=lambda kept: kept.varied / kept.new)

    def _any(self) -> Kept:
        return self.corpus[self._choice.below(len(self.corpus))]


def faults_of(case: Case) -> frozenset[str]:
    """The names of a case's faults."""
    return frozenset(entry.fault.name for entry in case.schedule.entries)
