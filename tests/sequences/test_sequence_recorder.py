"""A recorded diagram accepts the history that it comes from, and folds what repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.core.history import Event, Kind
from harness.sequences import coverage, judge, load, load_text, record
from harness.sequences.folding import Loop, fold
from harness.sequences.tree import Arrow
from tests.examples import examples

BEAT = "Device->>Gateway: Heartbeat\nGateway->>Device: HeartbeatAcknowledgment\n"
WRITE = "Gateway->>Kubernetes: PATCH Device (status.phase = {})\n"
FIRST = "Device->>Gateway: TlsConnected\n"


def _renumber(events: list[Event]) -> list[Event]:
    return [replace(event, n=number, at=number * 0.01) for number, event in enumerate(events)]


def _lines(diagram: str) -> list[str]:
    body = diagram.split("DeviceController\n")[-1].split("Kubernetes\n", 1)[-1]
    return [line.strip() for line in body.strip().splitlines()]


def test_repetition_becomes_a_loop(build: Any) -> None:
    events = build.history(FIRST + BEAT * 3 + WRITE.format("Connected") + BEAT * 50)
    diagram = record(events)
    assert _lines(diagram) == [
        "Device->>Gateway: TlsConnected",
        "loop (1..*)",
        "Device->>Gateway: Heartbeat",
        "Gateway->>Device: HeartbeatAcknowledgment",
        "end",
        "Gateway->>Kubernetes: PATCH Device (status.phase = Connected)",
        "loop (1..*)",
        "Device->>Gateway: Heartbeat",
        "Gateway->>Device: HeartbeatAcknowledgment",
        "end",
    ]
    assert judge(load_text(diagram, "recorded"), events).ok


def test_devices_that_did_the_same_are_one_way_and_others_an_alt(build: Any) -> None:
    alike = [build.history(FIRST + BEAT * turns + WRITE.format("Connected"), f"b{turns}") for turns in (2, 5)]
    other = build.history(FIRST + WRITE.format("Failed") + WRITE.format("Connected"), "b9")
    events = _renumber([*alike[0], *alike[1], *other])
    diagram = record(events)
    assert _lines(diagram) == [
        "Device->>Gateway: TlsConnected",
        "alt b2, b5",
        "loop (1..*)",
        "Device->>Gateway: Heartbeat",
        "Gateway->>Device: HeartbeatAcknowledgment",
        "end",
        "else b9",
        "Gateway->>Kubernetes: PATCH Device (status.phase = Failed)",
        "end",
        "Gateway->>Kubernetes: PATCH Device (status.phase = Connected)",
    ]
    assert judge(load_text(diagram, "recorded"), events).ok


def test_a_history_of_both_is_recorded_as_applications_unless_asked(build: Any) -> None:
    events = _renumber([*build.history(FIRST), *build.history("Gateway->>Device: Deploy")])
    assert "Deploy" in record(events)
    assert "TlsConnected" not in record(events)
    assert "TlsConnected" in record(events, "device")
    with pytest.raises(UsageError, match="cannot be about 'gateway'"):
        record(events, "gateway")
    with pytest.raises(UsageError, match="this history has no events about an application"):
        record(build.history(FIRST), "application")
    with pytest.raises(UsageError, match="this history has no events about a device"):
        record([])


def test_values_that_cannot_be_written_are_left_out(build: Any) -> None:
    events = build.history("Gateway->>Device: Error (code = PROTOCOL_ERROR)")
    odd = [replace(events[0], data={**events[0].data, "code": 'a "quoted" <b>'})]
    diagram = record(odd)
    assert "Gateway->>Device: Error\n" in diagram
    assert judge(load_text(diagram, "recorded"), odd).ok


def test_refused_requests_are_left_out(build: Any) -> None:
    events = build.history(FIRST + "Gateway->>Kubernetes: PATCH Device (code = 409)\n" + WRITE.format("Connected"))
    diagram = record(events)
    assert diagram.count("PATCH Device") == 1
    assert judge(load_text(diagram, "recorded"), events).ok


_steps = st.sampled_from([*BEAT.strip().splitlines(), WRITE.format("Connected"), WRITE.format("Failed"), FIRST])


@given(st.lists(st.tuples(st.sampled_from(["b1", "b2", "b3"]), st.lists(_steps, min_size=1, max_size=12)), min_size=1))
@settings(max_examples=examples(60))
def test_a_recorded_diagram_accepts_its_own_history(parts: list[tuple[str, list[str]]]) -> None:
    key = {
        "Heartbeat": ("Device", "Gateway"),
        "HeartbeatAcknowledgment": ("Gateway", "Device"),
        "TlsConnected": ("Device", "Gateway"),
        "PATCH Device": ("Gateway", "Kubernetes"),
    }
    events: list[Event] = []
    for device, steps in parts:
        for step in steps:
            name = step.partition(": ")[2].split(" (")[0].strip()
            phase = {"status": {"phase": step.rpartition("= ")[2].strip(")\n")}} if "phase" in step else {}
            events.append(Event(len(events), len(events), Kind.MESSAGE, *key[name], name, phase, device))
    diagram = record(events)
    verdict = judge(load_text(diagram, "recorded"), events)
    assert verdict.ok, f"{diagram}\n{verdict}"


def test_folding_keeps_the_order() -> None:
    a, b, c = (Arrow("A", "->>", "B", text) for text in "abc")
    assert fold([a, b, a, b, c]) == [Loop((a, b), 2), c]
    assert fold([a, a, b, a, a, b]) == [Loop((Loop((a,), 2), b), 2)]
    assert fold([a, b, c, b, c, b, c]) == [a, Loop((b, c), 3)]
    assert fold([a, b, c]) == [a, b, c]
    assert fold([]) == []
    (loop,) = fold([a] * 1000)
    assert isinstance(loop, Loop)
    assert loop.turns == 1000


def test_coverage_counts_the_arrows_of_histories_that_followed(build: Any) -> None:
    flow = load_text(
        "sequenceDiagram\nDevice->>Gateway: TlsConnected\nloop\n"
        + BEAT
        + "end\nopt\n"
        + WRITE.format("Failed")
        + "end\n",
        "flow",
    )
    good, bad = build.history(FIRST + BEAT * 2, "b1"), build.history(FIRST + WRITE.format("Connected"), "b2")
    table = coverage([flow], _renumber([*good, *bad]))
    assert [(row.line, row.seen) for row in table.arrows] == [(2, 1), (4, 2), (5, 2), (8, 0)]
    assert [row.arrow for row in table.never] == ["Gateway->>Kubernetes: PATCH Device (status.phase = Failed)"]
    twice = table + coverage([flow], build.history(FIRST + WRITE.format("Failed")))
    assert [row.seen for row in twice.arrows] == [2, 2, 2, 1]
    assert str(table).splitlines()[0] == "flow: 3 of 4 arrows"
    assert "  never  Gateway->>Kubernetes: PATCH Device" in str(table)


def test_what_follows_the_end_of_a_test_hides_no_arrow(build: Any) -> None:
    flow = load_text("sequenceDiagram\nDevice->>Gateway: TlsConnected\nloop\n" + BEAT + "end\n", "flow")
    followed, after = build.history(FIRST + BEAT, "b1"), build.history(FIRST, "b1")
    stopping = replace(followed[0], kind=Kind.NOTE, source="Harness", target="", name="stack stopping", correlation="")
    table = coverage([flow], _renumber([*followed, stopping, *after]))
    assert [row.seen for row in table.arrows] == [1, 1, 1]
    assert [row.seen for row in coverage([flow], _renumber([*followed, *after])).arrows] == [0, 0, 0]


def test_coverage_of_a_referred_sequence_counts_for_it() -> None:
    sequences = [load("device-connection"), load("parts/closed"), load("px4-communication")]
    names = {row.sequence for row in coverage(sequences, []).arrows}
    assert names == {"device-connection", "closed", "px4-communication"}
