"""All invariants on one history: live, event by event, or a file years later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from harness.core.errors import ProductFailure, RigError, reason
from harness.core.history import SEEN_BY, Event
from harness.invariants.application_status import APPLICATION_STATUS
from harness.invariants.assignments import ASSIGNMENTS
from harness.invariants.boards import BOARDS
from harness.invariants.consoles import CONSOLES
from harness.invariants.device_status import DEVICE_STATUS
from harness.invariants.draining import DRAINING
from harness.invariants.effects import EFFECTS
from harness.invariants.exchanges import EXCHANGES
from harness.invariants.gateways import GATEWAYS
from harness.invariants.generations import GENERATIONS
from harness.invariants.identity import IDENTITY
from harness.invariants.introductions import INTRODUCTIONS
from harness.invariants.invariant import EVERY, Handler, Invariant, Party, Violation, key_of
from harness.invariants.leases import LEASES
from harness.invariants.ledger import Ledger
from harness.invariants.moments import MOMENTS
from harness.invariants.orders import ORDERS
from harness.invariants.pacing import PACING
from harness.invariants.patience import PATIENCE
from harness.invariants.prompt import PROMPT
from harness.invariants.records import RECORDS
from harness.invariants.registrations import REGISTRATIONS
from harness.invariants.reports import REPORTS
from harness.invariants.requests import REQUESTS
from harness.invariants.sessions import SESSIONS
from harness.invariants.silence import SILENCE
from harness.invariants.timing import TIMING
from harness.invariants.transfers import TRANSFERS
from harness.invariants.unwanted import NothingRunsUnwanted
from harness.invariants.wire import MESSAGES, WIRE
from harness.wasmbed.resources.extent import EXTENT_NOTE, extent_of

__all__ = ["RULES", "Judgement", "describe", "find_violations", "judge"]

_EXTENT, _GATEWAY_UP = f"note {EXTENT_NOTE}", "note gateway up"
_LINKS = frozenset({"TlsConnected", "TlsRejected", "ConnectionClosed", "UnreadableFrame", *MESSAGES})
"""The messages and the ends of links."""
TOLD = 10
"""Violations that a verdict lists."""
MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Exceptions raised by an event of unexpected shape."""
RULES: Mapping[str, type[Invariant]] = {
    each.name: each
    for each in (
        *WIRE,
        *SESSIONS,
        *EXCHANGES,
        *IDENTITY,
        *INTRODUCTIONS,
        *ASSIGNMENTS,
        *TIMING,
        *SILENCE,
        *DRAINING,
        *DEVICE_STATUS,
        *REGISTRATIONS,
        *PACING,
        *EFFECTS,
        *MOMENTS,
        *TRANSFERS,
        *ORDERS,
        *RECORDS,
        *APPLICATION_STATUS,
        NothingRunsUnwanted,
        *REQUESTS,
        *LEASES,
        *GENERATIONS,
        *GATEWAYS,
        *BOARDS,
        *REPORTS,
        *CONSOLES,
        *PROMPT,
        *PATIENCE,
    )
}
"""Every invariant, by its name."""


class Judgement:
    """The invariants at work on one history, of which :meth:`see` gets every event in order.

    Where the gateway's side of the links is not in the record, invariants about messages do not judge. Some of them
    judge what boards have seen of their links, by a ledger of its own: its times and its order are not the gateway's.
    Messages of a dialect are not judged: the invariants are about protocol 1.
    """

    def __init__(self, rules: Iterable[type[Invariant]] | None = None) -> None:
        """``rules``: those that judge, by default all."""
        self._ledger = Ledger()
        self._is_whole = rules is None
        self._invariants = [rule(self._ledger) for rule in (RULES.values() if rules is None else rules)]
        self._at_boards: Judgement | None = None
        self._handlers: dict[str, list[Handler]] = {}
        self._connect()
        self._found: list[Violation] = []
        self._last: Event | None = None
        self.left_out = ""
        """The invariants that do not judge this history, and why; empty if all judge."""
        self.unjudged: list[str] = []
        """Events of unexpected shape, and the invariants that could not read them: the first few."""

    def see(self, event: Event) -> None:
        """Judge the next event. Never raises, whatever a file holds. What a mock gateway does is the test's doing."""
        self._last = event
        if "mock" in event.data:
            return
        if self._at_boards is not None:
            self._at_boards.see(event)
            if SEEN_BY in event.data:
                return
        key = key_of(event)
        if key == _EXTENT:
            self._leave_out(event)
        elif key == _GATEWAY_UP and self._is_whole:
            self._look_at_links(event)
        try:
            self._ledger.see(event)
        except MISSHAPEN as error:
            self._cannot_read(event, "the ledger", error)
        for handler in self._handlers.get(key, self._every):
            try:
                self._found.extend(handler(event))
            except MISSHAPEN as error:
                self._cannot_read(event, handler.__qualname__, error)
        self._ledger.settle(event)

    def _connect(self) -> None:
        handlers: defaultdict[str, list[Handler]] = defaultdict(list)
        for invariant in self._invariants:
            for key, handler in invariant.handlers():
                handlers[key].append(handler)
        self._every = handlers.pop(EVERY, [])
        self._handlers = {key: [*self._every, *own] for key, own in handlers.items()}

    def _leave_out(self, note: Event) -> None:
        """Judge no more by the invariants about what the system does not have."""
        extent = self._ledger.extent = extent_of([note])
        self._invariants = [each for each in self._invariants if all(map(extent.has, each.needs))]
        self._connect()

    def _look_at_links(self, up: Event) -> None:
        """Judge messages no more if a gateway's links are not recorded at its side, or not in protocol 1."""
        if self._at_boards is not None or not {SEEN_BY, "wire"} & up.data.keys():
            return
        rules = [rule for rule in RULES.values() if rule.holds_at_boards and "wire" not in up.data]
        left_out = [each for each in self._invariants if each.hears(_LINKS) and each.__class__ not in rules]
        self._invariants = [each for each in self._invariants if not each.hears(_LINKS)]
        self._connect()
        why = f"speak the wire {up.data['wire']!r}" if "wire" in up.data else "are recorded as their boards see them"
        names = ", ".join(each.name for each in left_out)
        self.left_out = f"the links {why}: {len(left_out)} rules do not judge them ({names})"
        if SEEN_BY in up.data:
            self._at_boards = Judgement(rules)
            self._at_boards.unjudged = self.unjudged

    def _cannot_read(self, event: Event, reader: str, error: Exception) -> None:
        if len(self.unjudged) < TOLD:
            self.unjudged.append(f"{reader} cannot read event {event.n} ({event.name}): {reason(error)}")

    def violations(self) -> list[Violation]:
        """Every violation so far, in the order of the events. A message that a test sends by hand convicts no
        party, and neither does lateness on a suspended machine."""
        found = list(self._found)
        if self._last is not None:
            for invariant in self._invariants:
                try:
                    found.extend(invariant.finish(self._last))
                except MISSHAPEN as error:
                    self._cannot_read(self._last, invariant.name, error)
        found = list(filter(self._counts, found))
        if self._at_boards is not None:
            found += self._at_boards.violations()
        return sorted(found, key=lambda violation: violation.event.n)

    def conclude(self) -> None:
        """Raise ProductFailure naming every violation and whom it convicts, if there is any, and RigError where an
        event could not be judged."""
        if found := self.violations():
            raise ProductFailure(
                describe(found),
                where="invariants",
                do="look at those events in history.jsonl, or in the report",
                party=found[0].convicts,
            )
        if self.unjudged:
            raise RigError("; ".join(self.unjudged), where="invariants", do="report this; the product was not judged")

    def _counts(self, violation: Violation) -> bool:
        by_hand = violation.link is not None and self._ledger.is_by_hand(violation.link)
        late = violation.waited is not None and self._ledger.stood_still(*violation.waited)
        return not late and not (by_hand and violation.party is Party.BOARD)


def find_violations(events: Iterable[Event]) -> list[Violation]:
    """Every violation of every invariant, in the order of the events."""
    return _judged(events).violations()


def judge(events: Iterable[Event]) -> None:
    """Raise as :meth:`Judgement.conclude` does, for a whole history."""
    _judged(events).conclude()


def _judged(events: Iterable[Event]) -> Judgement:
    judgement = Judgement()
    for event in events:
        judgement.see(event)
    return judgement


def describe(found: list[Violation]) -> str:
    """The verdict of violations: the first in its first line, then all of them, one a line."""
    others = dict.fromkeys(violation.convicts for violation in found[1:])
    others.pop(found[0].convicts, None)
    also = f"; also convicted: {', '.join(others)}" if others else ""
    lines = [f"  {violation}" for violation in found[:TOLD]]
    if len(found) > TOLD:
        lines.append(f"  and {len(found) - TOLD} more")
    return f"{found[0]}{also}\nthe history breaks what must always hold:\n" + "\n".join(lines)
