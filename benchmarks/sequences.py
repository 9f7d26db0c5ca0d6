"""The oracle on a large history: a real device's enrollment and heartbeats, as a thousand devices would have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from benchmarks.figure import Figure
from harness.core.clock import SystemClock
from harness.core.history import Event
from harness.sequences import judge, load
from harness.stack import Stack, StackOptions

DEVICES, EVENTS = 1_000, 100_000
FLOWS = ("device-enrollment", "heartbeat-and-monitoring")
LIMIT = 5.0
"""Seconds for one flow."""


async def measure() -> list[Figure]:
    events = list(_multiplied(await _one_device(EVENTS // DEVICES)))
    clock, figures = SystemClock(), []
    for name in FLOWS:
        flow = load(name)
        start = clock.now()
        verdict = judge(flow, events)
        took = clock.now() - start
        if not verdict.ok or len(verdict.instances) != DEVICES:
            raise SystemExit(str(verdict))
        wanted = f"at most {LIMIT:g} s"
        figures.append(
            Figure(
                f"judge_{name.replace('-', '_')}", took, "s", "limit", LIMIT, wanted, lambda value, _: value <= LIMIT
            ),
        )
    return figures


async def _one_device(events: int) -> list[Event]:
    """The first ``count`` events about a virtual board that enrolls and sends heartbeats."""
    async with Stack(StackOptions(heartbeat=0.05)) as stack:
        board = await stack.boards.power_on()
        device, beat = stack.device(board).name, None
        found: list[Event] = []
        while len(found) < events:
            beat = await stack.history.until("HeartbeatAcknowledgment", about=device, after=beat)
            found = [event for event in stack.history if event.correlation == device]
    return found[:events]


def _multiplied(events: Iterable[Event]) -> Iterator[Event]:
    """Each event for every device, one device after the other."""
    numbers = count()
    for event in events:
        for number in range(DEVICES):
            name = f"board-{number}"
            data = _renamed(event.data, event.correlation, name)
            yield replace(event, n=next(numbers), data=data, correlation=name)


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, old, new) for key, each in value.items()}
    return new if value == old else value
