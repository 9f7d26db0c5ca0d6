"""Explains a failed wait with evidence from the boards: their crashes and last console lines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from harness.core.history import Event, Kind
from harness.stack.record import Record

__all__ = ["console_ends", "crashes", "describe_crash", "interventions", "replays", "summary"]

LINES = 8
CONSOLES = 3
"""Boards whose last console lines are shown."""
DEPTH = 6
"""Functions of a backtrace that are shown."""
INTERVENTIONS = 8
"""Actions of the test that are shown, the latest ones."""


def crashes(record: Record, devices: Collection[str], since: int) -> list[Event]:
    """The crashes of ``devices`` among the events from number ``since`` on."""
    return [event for event in record.recall("Crash", kind=Kind.FAULT) if event.n >= since and _about(event) in devices]


def summary(found: Iterable[Event]) -> str:
    """The devices that crashed and the causes, each device's last crash."""
    return ", ".join(f"{device} crashed: {_cause(event)}" for device, event in _by_device(found).items())


def describe_crash(record: Record, event: Event) -> list[str]:
    """Everything that is known about a crash: time, cause, backtrace, registers."""
    data, start = event.data, record[0].at
    lines = [f"  {_about(event)} crashed at {event.at - start:.3f} s: {_cause(event)}"]
    if callers := data.get("backtrace"):
        shown = " < ".join(callers[:DEPTH])
        lines.append(f"    backtrace: {shown}{' < ...' if len(callers) > DEPTH else ''}")
    groups = [data[group] for group in ("faultStatus", "registers", "numbers") if data.get(group)]
    lines += [f"    {' '.join(f'{name}={value}' for name, value in facts.items())}" for facts in groups]
    return lines


def interventions(record: Record, devices: Collection[str]) -> Iterator[str]:
    """The faults that the test caused on ``devices`` and the gateway, and how it ended them."""
    found = [
        event
        for event in record.recall(source="Harness")
        if (event.kind is Kind.FAULT or event.name == "power off")
        and (not event.correlation or event.correlation in devices)
    ]
    if found:
        start = record[0].at
        lines = [f"    {event.at - start:9.3f}  {event.name}  {event.correlation}".rstrip() for event in found]
        yield "  actions of the test:\n" + "\n".join(lines[-INTERVENTIONS:])


def console_ends(record: Record, devices: Iterable[str]) -> Iterator[str]:
    """The last console lines of the first few ``devices``."""
    for device in islice(devices, CONSOLES):
        lines = [event.data["text"] for event in record.recall(kind=Kind.CONSOLE, about=device)][-LINES:]
        if lines:
            yield f"  console of {device}, last lines:\n" + "\n".join(f"    {line}" for line in lines)


def replays(record: Record, devices: Iterable[str]) -> Iterator[str]:
    """How to replay the current or last run of the first few ``devices``, if it is recorded."""
    for device in islice(devices, CONSOLES):
        if recorded := record.recall("recorded", about=device):
            yield f"  to replay {device}: {recorded[-1].data['replay']}"


def _by_device(found: Iterable[Event]) -> dict[str, Event]:
    return {_about(event): event for event in found}


def _about(event: Event) -> str:
    return str(event.data.get("device") or event.correlation)


def _cause(event: Event) -> str:
    data = event.data
    parts = [str(data.get("cause", "unknown"))]
    message, callers = data.get("message"), data.get("backtrace")
    if at := data.get("at") or (callers and not message and callers[0]):
        parts.append(f"in {at}")
    if message:
        parts.append(f"({message})")
    return " ".join(parts)
