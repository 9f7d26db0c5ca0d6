"""Histories made by hand, and the table of mutants at the end of the test output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from harness.core.history import Event, Kind
from harness.sequences.bindings import EventType, Subject, bind
from harness.sequences.labels import Comparison, Condition, read_label
from harness.sequences.reader import parse

DEVICE, APPLICATION = "board-1", "blink"
STEP = 0.01
"""Seconds from one event to the next: no time limit is near."""


class Builder:
    """Makes events that meet an arrow's conditions, and hold what an event of their type always holds."""

    device, application, step = DEVICE, APPLICATION, STEP

    def data(self, event: EventType, conditions: Sequence[Condition], device: str = DEVICE) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if "device" in event.fields:
            data["device"] = device
        if "applicationId" in event.fields:
            data["applicationId"] = APPLICATION
        if event.name_prefix is not None:
            data["name"] = event.name_prefix + device
        if "caller" in event.fields:
            data["caller"] = device
        for condition in sorted(conditions, key=lambda condition: -len(condition.path)):
            if condition.test is not Comparison.ABSENT:
                _put(data, condition.path, _some_value(condition, conditions), device)
        return data

    def event(self, number: int, event: EventType, data: dict[str, Any], device: str = DEVICE) -> Event:
        correlation = APPLICATION if event.subject is Subject.APPLICATION else device
        if event.name_prefix is not None:
            correlation = ""
        return Event(number * STEP, number, Kind.MESSAGE, *event.key, data, correlation)

    def history(self, text: str, device: str = DEVICE) -> list[Event]:
        """A history from lines like arrows; their conditions become the events' data. A line goes on after a comma."""
        lines = [line.strip() for line in re.sub(r",\s*\n\s*", ", ", text.strip()).splitlines()]
        events = []
        for number, arrow in enumerate(parse("\n".join(["sequenceDiagram", *lines])).arrows):
            event, label = bind(arrow.source, arrow.target, read_label(arrow.text))
            events.append(self.event(number, event, self.data(event, label.conditions, device), device))
        return events


def _put(data: dict[str, Any], path: tuple[str, ...], value: object, device: str) -> None:
    *parents, last = (device if part == "{device}" else part for part in path)
    for part in parents:
        data = data.setdefault(part, {})
    if last in data and not isinstance(data[last], dict):
        data[last] = [data[last], value]
    else:
        data.setdefault(last, value)


def _some_value(condition: Condition, others: Sequence[Condition]) -> object:
    if condition.test is Comparison.EQUAL:
        value = condition.values[0]
        return int(value) if isinstance(value, float) and value.is_integer() else value
    around = any(other.path[: len(condition.path)] == condition.path for other in others if other is not condition)
    return {"some": "thing"} if around else "something"


@pytest.fixture
def build() -> Builder:
    return Builder()


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
