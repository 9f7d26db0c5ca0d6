"""What the boards themselves say about why a resource is not as it should be: their crashes and last words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from harness.core.history import Event, Kind
from harness.stack.record import Record

__all__ = ["crashes", "describe_crash", "interventions", "last_words", "replays", "summary"]

LINES = 8
CONSOLES = 3
"""Boards whose last words are shown."""
DEPTH = 6
"""Callers that are shown of a backtrace."""
INTERVENTIONS = 8
"""What the test itself did to the boards: the last of it."""


def crashes(record: Record, devices: Collection[str], since: int) -> list[Event]:
    """The crashes of ``devices`` among the events from number ``since`` on."""
    return [event for event in record.recall("Crash", kind=Kind.FAULT) if event.n >= since and _about(event) in devices]


def summary(found: Iterable[Event]) -> str:
    """Who crashed and why, in a few words; each device's last crash."""
    return ", ".join(f"{device} crashed: {_cause(event)}" for device, event in _by_device(found).items())


def describe_crash(record: Record, event: Event) -> list[str]:
    """All that is known of it."""
    data, start = event.data, record[0].at
    lines = [f"  {_about(event)} crashed at {event.at - start:.3f} s: {_cause(event)}"]
    if callers := data.get("backtrace"):
        shown = " < ".join(callers[:DEPTH])
        lines.append(f"    backtrace: {shown}{' < ...' if len(callers) > DEPTH else ''}")
    groups = [data[group] for group in ("faultStatus", "registers", "numbers") if data.get(group)]
    lines += [f"    {' '.join(f'{name}={value}' for name, value in facts.items())}" for facts in groups]
    return lines


def interventions(record: Record, devices: Collection[str]) -> Iterator[str]:
    """What the test itself did to ``devices`` and to the gateway to make something go wrong, and to mend it."""
    found = [
        event
        for event in record.recall(source="Harness")
        if (event.kind is Kind.FAULT or event.name == "power off")
        and (not event.correlation or event.correlation in devices)
    ]
    if found:
        start = record[0].at
        lines = [f"    {event.at - start:9.3f}  {event.name}  {event.correlation}".rstrip() for event in found]
        yield "  the test itself did:\n" + "\n".join(lines[-INTERVENTIONS:])


def last_words(record: Record, devices: Iterable[str]) -> Iterator[str]:
    """The ends of the consoles of the first few ``devices``."""
    for device in islice(devices, CONSOLES):
        lines = [event.data["text"] for event in record.recall(kind=Kind.CONSOLE, about=device)][-LINES:]
        if lines:
            yield f"  console of {device}, last lines:\n" + "\n".join(f"    {line}" for line in lines)


def replays(record: Record, devices: Iterable[str]) -> Iterator[str]:
    """How to see the present or last run of the first few ``devices`` again, where that is recorded."""
    for device in islice(devices, CONSOLES):
        if recorded := record.recall("recorded", about=device):
            yield f"  to see {device} again: {recorded[-1].data['replay']}"


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
