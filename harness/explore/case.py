"""One run of an exploration: a seed and a schedule on a simulated stack, and what came of it."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from harness.core.errors import HarnessError, UsageError
from harness.explore.acts import Act
from harness.explore.features import Features
from harness.explore.life import HEARTBEAT
from harness.explore.workload import live
from harness.faults import Entry, Schedule
from harness.faults.reading import parse_schedule
from harness.invariants import Judgement
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions

__all__ = ["Case", "Failure", "Outcome", "run", "without_names"]

DEADLINE = 1e6
"""Virtual seconds of a run; each wait in it has its own time limit."""
TOLD = 4_000
"""Characters that are kept of an error."""
_APPLICATIONS = "app|hello|hello-again|breaks-later|idle|blink|thermometer|echo|trap|endless|greedy|flood"
_NAMES = re.compile(rf"\b(sim-native|sim|gateway|{_APPLICATIONS})-\d+")
_NUMBERS = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Case:
    """A seed and a schedule of faults on ``boards`` boards of a tier. Faults begin in the first ``seconds``.
    ``acts``: the user's steps. ``managers``: of the controllers."""

    seed: int
    schedule: Schedule = field(default_factory=Schedule)
    boards: int = 10
    seconds: float = 60.0
    tier: str = "sim"
    order: str = "fifo"
    acts: tuple[Act, ...] = ()
    managers: int = 1

    @property
    def options(self) -> StackOptions:
        """The options of its stack."""
        return StackOptions(
            boards=self.tier,
            seed=self.seed,
            schedule_order=self.order,
            heartbeat=HEARTBEAT,
            relay=self.schedule.needs_relay,
            deadline=DEADLINE,
        )

    def with_faults(self, *entries: Any) -> Case:
        """The same case with these faults instead."""
        return replace(self, schedule=Schedule(tuple(entries)))

    def to_json(self) -> dict[str, Any]:
        """As values of JSON, for another process."""
        acts = [act.to_json() for act in self.acts]
        return {**{name: getattr(self, name) for name in _PLAIN}, "acts": acts, "schedule": self.schedule.to_toml()}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_json`. Raises UsageError for a schedule that this harness cannot read."""
        schedule = parse_schedule(given["schedule"], "")
        acts = tuple(map(Act.from_json, given["acts"]))
        return cls(**{name: given[name] for name in _PLAIN}, acts=acts, schedule=schedule)


_PLAIN = ("seed", "boards", "seconds", "tier", "order", "managers")


@dataclass(frozen=True)
class Failure:
    """The cause of a failed run: the invariant that was broken, or the first line of another error without names and
    numbers; the party that is convicted; and the whole message."""

    rule: str
    party: str
    words: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.rule} ({self.party})"


@dataclass(frozen=True)
class Outcome:
    """``features``: see :class:`~harness.explore.features.Features`. ``applied``: the positions of the faults of the
    schedule that applied."""

    features: frozenset[str]
    events: int
    applied: tuple[int, ...] = ()
    failure: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """As values of JSON."""
        failure = self.failure and {"rule": self.failure.rule, "party": self.failure.party, "words": self.failure.words}
        return {"features": sorted(self.features), "events": self.events, "applied": self.applied, "failure": failure}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_json`."""
        failure = Failure(**given["failure"]) if given["failure"] else None
        return cls(frozenset(given["features"]), given["events"], tuple(given["applied"]), failure)


def run(case: Case, folder: Path | None = None) -> Outcome:
    """Run a case in this process; ``folder`` gets its history.

    Raises UsageError for a case that this harness cannot run at all, such as a tier that is not built.
    """
    features, applied, events = Features(), list[Entry](), 0
    judgement, wrong, begun = Judgement(), None, False

    async def lead() -> None:
        nonlocal begun
        stack.apply(case.schedule)
        begun = True
        await live(stack, boards=case.boards, seconds=case.seconds, acts=case.acts, managers=case.managers)

    logging.disable(logging.CRITICAL)  # the platform logs the effects of each fault
    try:
        with HostedStack.opened(case.options, folder) as hosted:
            stack = hosted.stack
            stack.history.listen(features.see)
            try:
                hosted.run(lead())
                hosted.run(stack.observe())
            finally:
                judgement = stack.history.judgement()
                applied, events = stack.faults.applied, stack.history.recorded
    except Exception as error:
        if not begun and isinstance(error, UsageError):
            raise
        wrong = error
    finally:
        logging.disable(logging.NOTSET)
    struck = set(map(id, applied))
    positions = tuple(number for number, each in enumerate(case.schedule.entries) if id(each) in struck)
    return Outcome(frozenset(features.found), events, positions, _failure(wrong, judgement))


def _failure(error: Exception | None, judgement: Judgement) -> Failure | None:
    """The cause of a failure. A broken invariant outweighs an error: it is nearer to the cause."""
    if found := judgement.violations():
        return Failure(without_names(found[0].rule), str(found[0].party), str(found[0]))
    if error is None:
        unjudged = "; ".join(judgement.unjudged)
        return Failure("an event that no invariant can read", "rig", unjudged) if unjudged else None
    words = str(error)[:TOLD]
    if isinstance(error, HarnessError):
        rule, party = error.what, getattr(error, "party", "") or error.blame
    elif isinstance(error, AssertionError | TimeoutError):
        rule, party = words, "product"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        rule, party = f"{type(error).__name__} in {last.name}: {words}", "product"
        words = "".join(traceback.format_exception(error))[-TOLD:]
    return Failure(_sentence(rule), re.sub(r"^board .*", "board", party), words)


def without_names(text: str) -> str:
    """A text without what differs between runs: numbers, and those in names."""
    return _NUMBERS.sub("N", _NAMES.sub(lambda found: f"{found[1]}-N", text))


def _sentence(text: str) -> str:
    """The first line of an error."""
    return without_names(text.strip().partition("\n")[0])[:160]
