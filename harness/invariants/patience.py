"""How long a board waits for an answer, and from one attempt to connect to the next, by its console.

Only in virtual time: on a real clock lateness may be the machine's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.invariant import EVERY, Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger
from harness.invariants.timing import Deadlines

__all__ = ["PATIENCE"]

LIMITS = {"link: connecting": 50.0, "enrollment: requested": 35.0}
"""Seconds in which a line is followed by another one about the link: a connection with its handshake, an answer."""
FIRST, LONGEST = 0.25, 30.0
"""Seconds of the first pause, and of the longest one, before jitter; each pause is twice the one before."""
LEAST = 0.45
"""The part of a pause that jitter leaves at least."""
_LINE = re.compile(
    r"\] (link: connecting|link: [a-z]+|enrollment: [a-z]+|error from gateway)(?: attempt in ([\d.]+) s)?"
)
_SUCCESSES = ("link: heartbeat", "enrollment: certificate", "enrollment: enrolled")


class BoardsGiveUp(Invariant):
    """In virtual time, a board gives up a connection or an enrollment request that nobody answers."""

    name = "boards give up"
    party = Party.BOARD
    source = "docs/reference/protocol (time limits)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._due = Deadlines[str]()

    @on("console")
    def said(self, event: Event) -> Iterator[Violation]:
        board = str(event.data.get("board"))
        if self.ledger.is_simulated and (line := _LINE.search(str(event.data.get("text")))) is not None:
            self._due.drop(board)
            if line[1] in LIMITS and self.ledger.keeps_time(board):
                self._due.set(board, event, LIMITS[line[1]])
        yield from ()

    @on("fault", "note power off", "note power on", "note resume", "note restore link")
    def disturbed(self, event: Event) -> Iterator[Violation]:
        self._due.drop(event.correlation)
        yield from ()

    @on(EVERY)
    def passed(self, event: Event) -> Iterator[Violation]:
        for board, said in self._due.passed(event.at):
            text = str(said.data.get("text")).partition("] ")[2]
            message = f"{board} said {text!r} {event.at - said.at:.0f} s ago, and still waits"
            yield self.broken(said, message, who=board, waited=said)


class PausesBetweenAttemptsGrow(Invariant):
    """A board that cannot connect pauses longer after each attempt, up to half a minute."""

    name = "pauses between attempts grow"
    party = Party.BOARD
    source = "docs/reference/protocol (reconnection)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._failures: dict[str, int] = {}

    @on("console")
    def said(self, event: Event) -> Iterator[Violation]:
        board = str(event.data.get("board"))
        line = _LINE.search(str(event.data.get("text")))
        if line is None:
            return
        if line[1] in _SUCCESSES:
            self._failures.pop(board, None)
        elif line[2] is not None:
            failures = self._failures.get(board, 0)
            self._failures[board] = failures + 1
            pause, least = float(line[2]), LEAST * min(FIRST * 2.0**failures, LONGEST)
            if pause < least:
                message = f"{board} pauses for {pause:g} s after {failures + 1} attempts in a row; {least:.1f} s is"
                yield self.broken(event, f"{message} the shortest pause", who=board)

    @on("fault", "note power off", "note power on", "note resume", "note restore link")
    def disturbed(self, event: Event) -> Iterator[Violation]:
        self._failures.pop(event.correlation, None)
        yield from ()


PATIENCE = (BoardsGiveUp, PausesBetweenAttemptsGrow)
