"""Histories made by hand, and the table of mutants at the end of the test output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from harness.core.history import Event, Kind
from harness.sequences.bindings import EventType, Subject, bind
from harness.sequences.labels import Comparison, Condition, read_label
from harness.sequences.reader import parse

DEVICE, APPLICATION = "board-1", "blink"
STEP = 0.01
"""Seconds from one event to the next: no time limit is near."""


def event_data(
    event: EventType, conditions: Iterable[Condition], device: str = DEVICE, application: str = APPLICATION
) -> dict[str, Any]:
    """Data that meets ``conditions``, with what an event of this type always holds."""
    data: dict[str, Any] = {}
    if "device" in event.fields:
        data["device"] = device
    if "applicationId" in event.fields:
        data["applicationId"] = application
    if event.named_after is not None:
        data["name"] = event.named_after + device
    for condition in conditions:
        if condition.test is not Comparison.ABSENT:
            value = "something" if condition.test is not Comparison.EQUAL else condition.values[0]
            put(data, condition.path, value, device)
    return data


def put(data: dict[str, Any], path: tuple[str, ...], value: Any, device: str = DEVICE) -> None:
    *parents, last = (device if part == "{device}" else part for part in path)
    for part in parents:
        inside = data.setdefault(part, {})
        data = inside if isinstance(inside, dict) else data.setdefault(f"{part}?", {})
    if last in data and data[last] != value:
        data[last] = [*(data[last] if isinstance(data[last], list) else [data[last]]), value]
    else:
        data.setdefault(last, value)


def make_event(
    number: int, event: EventType, data: dict[str, Any], device: str = DEVICE, application: str = APPLICATION
) -> Event:
    correlation = application if event.subject is Subject.APPLICATION else device
    if event.named_after is not None:
        correlation = ""
    return Event(1.0 + number * STEP, number, Kind.MESSAGE, *event.key, data, correlation)


@pytest.fixture
def history() -> Callable[..., list[Event]]:
    """A history from lines like arrows; their conditions become the events' data."""

    def make(text: str, device: str = DEVICE, application: str = APPLICATION) -> list[Event]:
        lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
        events = []
        for number, arrow in enumerate(parse("sequenceDiagram\n" + "\n".join(lines)).arrows):
            event, label = bind(arrow.source, arrow.target, read_label(arrow.text))
            data = event_data(event, label.conditions, device, application)
            events.append(make_event(number, event, data, device, application))
        return events

    return make


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the mutation table; it travels in the reports' properties, also from the workers of xdist."""
    rows = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "mutants" and getattr(report, "when", "") == "call"
    ]
    if not rows:
        return
    kinds = list(rows[0]["made"])
    terminalreporter.section("mutants of accepted histories: caught / made")
    terminalreporter.write_line(f"{'sequence':<30}{'histories':>10}" + "".join(f"{kind:>12}" for kind in kinds))
    survived: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row["sequence"]):
        counts = "".join(f"{row['caught'][kind]:>6}/{row['made'][kind]:<5}" for kind in kinds)
        terminalreporter.write_line(f"{row['sequence']:<30}{row['histories']:>10}{counts}")
        for reason, count in row["survived"].items():
            survived[reason] = survived.get(reason, 0) + count
    made = sum(sum(row["made"].values()) for row in rows)
    caught = sum(sum(row["caught"].values()) for row in rows)
    terminalreporter.write_line(f"{made} mutants, {caught} caught, {made - caught} are words of their diagram:")
    for reason, count in sorted(survived.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{count:>7}  {reason}")
