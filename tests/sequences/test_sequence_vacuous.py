"""Diagrams that show nothing are found: those that accept any history, and arrows that no history has."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.history import read_history
from harness.sequences import catalogue, load_text, vacuous
from harness.sequences.vacuous import accepts_anything

HEAD = "sequenceDiagram\n    participant Device\n    participant Gateway\n"
BEAT, ANSWER = "    Device->>Gateway: Heartbeat\n", "    Gateway->>Device: HeartbeatAcknowledgment\n"


@pytest.mark.parametrize(
    ("body", "vacuous"),
    [
        (BEAT + ANSWER, False),
        (f"    loop\n    {BEAT}    {ANSWER}    end\n", False),
        (f"    opt\n    {BEAT}    end\n", False),
        (f"    loop\n    {BEAT}    end\n", True),
        (f"    par\n    loop\n{BEAT}    end\n    and\n    loop\n{ANSWER}    end\n    end\n", True),
        (f"    loop\n    alt\n{BEAT}    else\n{ANSWER}    end\n    end\n", True),
    ],
)
def test_a_diagram_that_accepts_any_history_is_found(body: str, vacuous: bool) -> None:
    assert accepts_anything(load_text(HEAD + body, "flow")) is vacuous


def test_no_diagram_of_the_house_accepts_any_history() -> None:
    flows, broken = catalogue(Path(__file__).parents[2] / "scenarios/sequences")
    assert not broken
    assert [flow.name for flow in flows if accepts_anything(flow)] == []


def test_an_arrow_that_no_history_has_is_named_with_its_place(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text(
        "".join(
            f'{{"at":{n},"n":{n},"kind":"message","source":"{source}","target":"{target}","name":"{name}",'
            '"data":{"device":"pump"},"correlation":"pump"}\n'
            for n, (source, target, name) in enumerate(
                [("Device", "Gateway", "Heartbeat"), ("Gateway", "Device", "HeartbeatAcknowledgment")]
            )
        )
    )
    flow = load_text(f"{HEAD}{BEAT}{ANSWER}    opt\n    {BEAT}    end\n", "flow")
    events, _ = read_history(history)
    assert vacuous([flow], [events]) == ["flow, line 7: never exercised: Device->>Gateway: Heartbeat"]
    assert vacuous([flow], []) == [
        f"flow, line {line}: never exercised: {arrow}"
        for line, arrow in (
            (4, "Device->>Gateway: Heartbeat"),
            (5, "Gateway->>Device: HeartbeatAcknowledgment"),
            (7, "Device->>Gateway: Heartbeat"),
        )
    ]
