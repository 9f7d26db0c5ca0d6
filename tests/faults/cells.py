"""The cells of the crash-point matrix: an arrow of a sequence, a side of it, and a fault."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from harness.core.errors import HarnessError
from harness.core.history import Event, Kind
from harness.faults import ArrowMoment, Entry, Fault, Schedule, Side, make_fault
from harness.faults.moments import sides_of
from harness.sequences import load
from harness.stack import Stack
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions
from tests.faults.lives import HEARTBEAT, LIVES, Life

__all__ = ["BOARDS", "FAULTS", "NOT_THERE", "Cell", "NeverComes", "cells", "comes", "points", "run"]

FAULTS: dict[str, Fault] = {
    "power-cut": make_fault("board.power-cut"),
    "brown-out": make_fault("board.brown-out"),
    "reset": make_fault("board.reset"),
    "reboot-loop": make_fault("board.reboot-loop"),
    "clock-drift": make_fault("board.clock-drift", {"rate": 0.2, "lasts": 60.0}),
    "clock-jump": make_fault("board.clock-jump"),
    "no-memory": make_fault("board.memory-exhausted"),
    "worn-flash": make_fault("board.flash-worn", {"lasts": 20.0}),
    "torn-write": make_fault("board.torn-write"),
    "unplugged": make_fault("link.unplugged"),
    "link-cut": make_fault("link.cut", {"lasts": 100.0}),
    "half-open-gateway": make_fault("link.half-open"),
    "half-open-device": make_fault("link.half-open", {"believing": "device"}),
    "silence": make_fault("link.silence", {"lasts": 100.0}),
    "delay": make_fault("link.delay", {"lasts": 60.0}),
    "jitter": make_fault("link.jitter", {"lasts": 60.0}),
    "slow-close": make_fault("link.slow-close", {"lasts": 60.0}),
    "bandwidth": make_fault("link.bandwidth", {"lasts": 60.0}),
    "corruption": make_fault("link.corrupt", {"lasts": 60.0, "every": 3}),
    "gateway-crash": make_fault("gateway.crash"),
    "gateway-restart": make_fault("gateway.restart"),
    "freeze": make_fault("gateway.freeze"),
    "long-freeze": make_fault("gateway.freeze", {"lasts": 60.0}),
    "slow-gateway": make_fault("gateway.slow", {"lasts": 30.0}),
    "outage": make_fault("cluster.outage", {"lasts": 20.0}),
    "conflicts": make_fault("cluster.refusals", {"code": 409}),
    "too-many": make_fault("cluster.refusals", {"code": 429}),
    "internal-error": make_fault("cluster.refusals", {"code": 500}),
    "lost-answers": make_fault("cluster.lost-answers"),
    "timeouts": make_fault("cluster.lost-answers", {"how": "504"}),
    "slow-api": make_fault("cluster.slow"),
    "watch-cut": make_fault("cluster.watch-cut"),
    "watch-delay": make_fault("cluster.watch-delay"),
    "compaction": make_fault("cluster.compaction"),
    "lost-events": make_fault("cluster.lost-events", {"lasts": 20.0}),
    "stale-reads": make_fault("cluster.stale-reads", {"lasts": 20.0}),
    "clock-ahead": make_fault("cluster.clock-skew"),
    "clock-behind": make_fault("cluster.clock-skew", {"by": -600.0, "lasts": 20.0}),
    "renewed": make_fault("certificate.renewed"),
    "expired": make_fault("certificate.expired"),
    "rotated": make_fault("certificate.authority-rotated"),
    "device-expired": make_fault("certificate.device-expired"),
    "trap": make_fault("application.trap"),
    "endless-loop": make_fault("application.endless-loop"),
    "memory-growth": make_fault("application.memory-growth"),
    "flood": make_fault("application.flood"),
}
"""The columns, by the names in tests' ids."""


BOARDS = os.environ.get("WASMBED_MATRIX_BOARDS", "sim")
NOTHING = Schedule()
OPTIONS = StackOptions(boards=BOARDS, deadline=1e6, heartbeat=HEARTBEAT)


NOT_THERE = "the arrow does not come in this life"


class NeverComes(Exception):
    """The life of this sequence has no such arrow, or the fault cannot strike there."""


@dataclass(frozen=True)
class Cell:
    """One crash point. ``number`` is the arrow's, from 1."""

    sequence: str
    number: int
    side: Side
    fault: str

    def __str__(self) -> str:
        return f"{self.sequence}-{self.number}-{self.side}-{self.fault}"

    @property
    def schedule(self) -> Schedule:
        return Schedule.of(Entry(ArrowMoment(self.side, self.sequence, self.number), FAULTS[self.fault]))


def points() -> Iterator[tuple[str, int, Side]]:
    """The crash points: each arrow that is written, once, in a sequence with a life in which it comes."""
    seen: set[tuple[str, int]] = set()
    for name in LIVES:
        for arrow in load(name).arrows:
            if (written := (arrow.origin, arrow.arrow.line)) not in seen:
                seen.add(written)
                for side in sides_of(arrow):
                    yield name, arrow.position + 1, side


def cells() -> Iterator[Cell]:
    """All cells, arrow by arrow."""
    for sequence, number, side in points():
        for fault in FAULTS:
            yield Cell(sequence, number, side, fault)


@cache
def comes(sequence: str) -> Counter[int]:
    """How often each arrow comes in the life of its sequence, without a fault."""
    moments = [ArrowMoment(Side.AFTER, sequence, arrow.position + 1) for arrow in load(sequence).arrows]
    found: Counter[int] = Counter()

    def count(event: Event) -> None:
        key = event.source, event.target, event.name
        for moment in moments:
            if event.kind is Kind.MESSAGE and moment.arrow.event.key == key:
                found[moment.number] += moment.is_met(event.data, event.correlation)

    with HostedStack.opened(OPTIONS, None) as hosted:
        hosted.stack.history.listen(count)
        hosted.run(_live(hosted.stack, sequence))
        hosted.judge()
    return found


async def _live(stack: Stack, sequence: str, schedule: Schedule = NOTHING) -> None:
    stack.apply(schedule)
    life = Life(stack)
    await LIVES[sequence](life)
    await life.settle()


def run(sequence: str, schedule: Schedule, *, seed: int = 0, boards: str = BOARDS) -> None:
    """Live the life of a sequence with faults, and judge it. Raises NeverComes for a fault that cannot strike."""
    options = OPTIONS.replace(seed=seed, boards=boards, relay=schedule.needs_relay)
    with HostedStack.opened(options, None) as hosted:
        faults = hosted.stack.faults
        try:
            hosted.run(_live(hosted.stack, sequence, schedule))
            if faults.pending:
                raise NeverComes(NOT_THERE)
            if faults.refused:
                raise NeverComes(f"the fault cannot strike there: {faults.refused[0][1]}")
            hosted.judge()
        except (HarnessError, AssertionError, TimeoutError) as error:
            hosted.accuse(error)
            error.add_note(f"the same again:\n{schedule.to_toml()}")
            raise
