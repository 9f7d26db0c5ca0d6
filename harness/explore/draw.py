"""Draws cases at random, and varies those that showed something new: other times, places, faults, parameters, arrows,
orders, and the faults of two cases together.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from harness.core.identifiers import Randomness
from harness.explore.acts import OPERATIONS, Act
from harness.explore.case import Case
from harness.explore.workload import MODULES
from harness.faults import FAULTS, ArrowMoment, Entry, Fault, Schedule, Side, Strikes, TimeMoment
from harness.faults.clusters import CLIENTS
from harness.faults.fault import RELAY, VALUES, Choice, Number, Values, Whole
from harness.faults.moments import Moment, sides_of
from harness.sequences import load
from harness.stack.backends import lacking
from harness.stack.options import ORDERS, StackOptions

__all__ = ["Draw"]

SEQUENCES = (
    "application-deployment",
    "application-stop",
    "application-monitoring",
    "connection-lost",
    "device-connection",
    "device-deleted",
    "device-enrollment",
    "device-resumed",
    "gateway-drained",
    "heartbeat-and-monitoring",
    "transfer-cancelled",
)
"""Sequences that happen on an explored stack."""
FOR_EVER = frozenset({"certificate.revoked"})
"""Faults after which a board is never Connected again, so that nothing comes to rest as it was."""
OFTEN = {Strikes.GATEWAY: 3, Strikes.LINK: 2, Strikes.CLUSTER: 2}
"""How many times as often as others a fault is drawn: one of a gateway strikes all sessions at once."""
LONGEST = 60.0
"""Seconds that a parameter gets at most: a session notices after 30 s."""
MOST_FAULTS = 6
MOST_ACTS = 14
NTH = 5
STEPS = ("deploy", "stop", "start", "redeploy", "delete")
"""Those of a user whose boards stay as they are."""
PAUSES = (0.0, 0.0, 0.02, 0.5, 3.0, 12.0)
"""Seconds from a fault to the user's next step, and from one step to the next."""
T = TypeVar("T")


class Draw:
    """Draws cases for ``boards`` boards of a tier. What it draws follows from ``randomness``."""

    def __init__(self, randomness: Randomness, *, boards: int, tier: str, seconds: float) -> None:
        self._randomness, self._boards, self._tier, self._seconds = randomness, boards, tier, seconds
        options = StackOptions(boards=tier)
        self.faults = sorted(
            name
            for name, fault in FAULTS.items()
            if name not in FOR_EVER and not lacking(options, fault.needs - {RELAY})
        )
        """The names of the faults that can happen there."""
        self._deck: list[Fault] = []
        """Those that are drawn next: each comes once before one comes again, with each value that is one of a few."""
        self._arrows = {
            name: [(side, arrow.position + 1) for arrow in load(name).arrows for side in sides_of(arrow)]
            for name in SEQUENCES
        }

    def new(self) -> Case:
        """A case that follows from no other one.

        Its faults and steps are of a few kinds, and its arrows of a few sequences, which are drawn first: what happens
        again and again meets itself (swarm testing; Groce and others, ISSTA 2012).
        """
        faults = [self._fault() for _ in range(1 + self._randomness.below(4))]
        sequences = [self._one_of(SEQUENCES) for _ in range(1 + self._randomness.below(3))]
        entries = [self._placed(fault, self._moment(sequences), "") for fault in faults]
        for _ in range(self._randomness.below(MOST_FAULTS + 1 - len(entries))):
            fault = self._with_numbers(self._one_of(faults))
            entries.append(self._placed(fault, self._moment(sequences), ""))
        case = Case(self._seed(), Schedule(tuple(entries)), self._boards, self._seconds, self._tier)
        case = replace(case, order=self._one_of(ORDERS), managers=2 if self._happens(3) else 1)
        return self._other_acts(case, case)

    def varied(self, case: Case, other: Case) -> Case:
        """A case that is nearly like ``case``; ``other`` may lend it some faults."""
        for _ in range(1 + self._randomness.below(2)):
            case = self._one_of(self._changes)(case, other)
        return case

    @property
    def _changes(self) -> Sequence[Callable[[Case, Case], Case]]:
        of_entry = (self._other_time, self._other_time, self._other_place, self._other_fault, self._other_parameter)
        return (
            *of_entry,
            self._more,
            self._fewer,
            self._spliced,
            self._other_order,
            self._other_seed,
            self._other_managers,
            self._other_acts,
            self._other_act,
            self._other_act,
        )

    # What can change.

    def _other_time(self, case: Case, other: Case) -> Case:
        def change(entry: Entry) -> Entry:
            when = entry.when
            if isinstance(when, ArrowMoment) and self._happens(2):  # a neighbour
                number = when.number + (1 if self._happens(2) else -1)
                arrows = load(when.sequence).arrows
                if 1 <= number <= len(arrows):
                    side = self._one_of(sides_of(arrows[number - 1]))
                    return replace(entry, when=replace(when, number=number, side=side))
            if isinstance(when, TimeMoment) and self._happens(2):
                near = when.at + self._one_of((-5.0, -1.0, -0.1, 0.1, 1.0, 5.0))
                return replace(entry, when=TimeMoment(_short(min(max(near, 0.0), self._seconds))))
            return self._placed(entry.fault, self._moment(SEQUENCES), entry.where)

        return self._changed(case, change)

    def _other_place(self, case: Case, other: Case) -> Case:
        return self._changed(case, lambda entry: self._placed(entry.fault, entry.when, ""))

    def _other_fault(self, case: Case, other: Case) -> Case:
        return self._changed(case, lambda entry: self._placed(self._fault(), entry.when, ""))

    def _other_parameter(self, case: Case, other: Case) -> Case:
        def change(entry: Entry) -> Entry:
            fields = dataclasses.fields(entry.fault)
            if not fields:
                return entry
            one = self._one_of(fields)
            value = self._value(one.metadata[VALUES], one.default)
            return replace(entry, fault=replace(entry.fault, **{one.name: value}))

        return self._changed(case, change)

    def _more(self, case: Case, other: Case) -> Case:
        return case.with_faults(*case.schedule.entries[: MOST_FAULTS - 1], self._entry())

    def _fewer(self, case: Case, other: Case) -> Case:
        entries = list(case.schedule.entries)
        if len(entries) > 1:
            del entries[self._randomness.below(len(entries))]
        return case.with_faults(*entries)

    def _spliced(self, case: Case, other: Case) -> Case:
        own, others = case.schedule.entries, other.schedule.entries
        kept = own[: 1 + self._randomness.below(len(own))] if own else ()
        lent = others[self._randomness.below(len(others)) :] if others else ()
        return case.with_faults(*(*kept, *lent)[:MOST_FAULTS])

    def _other_order(self, case: Case, other: Case) -> Case:
        return replace(case, order=self._one_of(ORDERS))

    def _other_seed(self, case: Case, other: Case) -> Case:
        return replace(case, seed=self._seed())

    def _other_managers(self, case: Case, other: Case) -> Case:
        return replace(case, managers=3 - case.managers)

    def _other_acts(self, case: Case, other: Case) -> Case:
        """Some of a few kinds, many of them soon after another one or after a fault."""
        faults = len(case.schedule.entries)
        kinds = [self._one_of(OPERATIONS), *(self._one_of(STEPS) for _ in range(1 + self._randomness.below(4)))]
        modules = [self._one_of(MODULES) for _ in range(2)]
        acts = [self._act("deploy", modules) for _ in range(1 + self._randomness.below(3))]
        for _ in range(self._randomness.below(MOST_ACTS + 1 - len(acts))):
            act, before = self._act(self._one_of(kinds), modules), acts[-1]
            if self._happens(2):
                act = replace(act, after=before.after, at=_short(before.at + self._one_of(PAUSES)))
            elif faults and not self._happens(3):
                act = replace(act, after=1 + self._randomness.below(faults), at=self._one_of(PAUSES))
            else:
                act = replace(act, at=_short(self._seconds * self._randomness.below(1_000) / 1_000))
            acts.append(act)
        return replace(case, acts=tuple(acts))

    def _other_act(self, case: Case, other: Case) -> Case:
        """One more, one fewer, or another one."""
        acts = list(case.acts)
        at = self._randomness.below(len(acts) + 1)
        act = self._act(self._one_of(OPERATIONS), MODULES)
        faults = len(case.schedule.entries)
        act = replace(act, after=self._randomness.below(faults + 1), at=self._one_of(PAUSES))
        if at < len(acts) and self._happens(2):
            acts[at : at + 1] = [] if self._happens(2) else [act]
        elif len(acts) < MOST_ACTS:
            acts.insert(at, act)
        return replace(case, acts=tuple(acts))

    def _act(self, what: str, modules: Sequence[str]) -> Act:
        return Act(what, which=self._randomness.below(4), module=self._one_of(modules))

    def _changed(self, case: Case, change: Callable[[Entry], Entry]) -> Case:
        entries = list(case.schedule.entries)
        if not entries:
            return case.with_faults(self._entry())
        at = self._randomness.below(len(entries))
        entries[at] = change(entries[at])
        return case.with_faults(*entries)

    # Parts of a schedule.

    def _entry(self) -> Entry:
        return self._placed(self._fault(), self._moment(SEQUENCES), "")

    def _placed(self, fault: Fault, when: Moment, where: str) -> Entry:
        """``fault`` at ``when``; where is drawn unless it is given."""
        if fault.strikes is Strikes.GATEWAY:
            return Entry(when, fault)
        if fault.strikes is Strikes.CLUSTER:
            known = where if where in CLIENTS else ""
            return Entry(when, fault, known or (self._one_of(CLIENTS) if self._happens(2) else ""))
        if where and where not in CLIENTS:
            return Entry(when, fault, where)
        if isinstance(when, ArrowMoment) and self._happens(2):
            return Entry(when, fault)  # the board that the arrow is about
        return Entry(when, fault, f"{self._tier}-{1 + self._randomness.below(self._boards)}")

    def _fault(self) -> Fault:
        if not self._deck:
            self._deck = [each for name in self.faults for each in _kinds(name) * OFTEN.get(FAULTS[name].strikes, 1)]
        return self._with_numbers(self._deck.pop(self._randomness.below(len(self._deck))))

    def _with_numbers(self, fault: Fault) -> Fault:
        """The same fault with other numbers."""
        drawn = [each for each in dataclasses.fields(fault) if not _has_few(each)]
        return replace(fault, **{each.name: self._value(each.metadata[VALUES], each.default) for each in drawn})

    def _moment(self, sequences: Sequence[str]) -> Moment:
        if self._happens(3):
            return TimeMoment(_short(self._seconds * self._randomness.below(10_000) / 10_000))
        sequence = self._one_of(sequences)
        side, number = self._one_of(self._arrows[sequence])
        return ArrowMoment(Side(side), sequence, number, 1 + (self._randomness.below(NTH) if self._happens(2) else 0))

    def _value(self, values: Values, default: Any) -> Any:
        if self._happens(3):
            return default
        match values:
            case Choice(known):
                return self._one_of(known)
            case Whole(_, least, _) if self._happens(2):
                return least
            case Whole(_, least, most):
                return least + self._randomness.below(min(most, least + 10) - least + 1)
            case Number(_, least, most):
                low, high = max(least, 0.01), min(most, LONGEST)
                share = self._randomness.below(1_001) / 1_000
                value = low * math.exp(share * math.log(high / low)) if self._happens(2) else low + share * (high - low)
                return max(_short(value), low)

    # Chances.

    def _one_of(self, values: Sequence[T]) -> T:
        return values[self._randomness.below(len(values))]

    def _happens(self, one_in: int) -> bool:
        return self._randomness.below(one_in) == 0

    def _seed(self) -> int:
        return self._randomness.below(1_000_000)


def _kinds(name: str) -> list[Fault]:
    """A fault with each value of its parameters that have a few; a refusal with 409 is another one than with 503."""
    kind = FAULTS[name]
    few = {each.name: each.metadata[VALUES].known for each in dataclasses.fields(kind) if _has_few(each)}
    return [kind(**dict(zip(few, values, strict=True))) for values in itertools.product(*few.values())]


def _has_few(parameter: dataclasses.Field[Any]) -> bool:
    return isinstance(parameter.metadata[VALUES], Choice)


def _short(number: float) -> float:
    """Two decimals: a person can read them."""
    return round(number, 2)
