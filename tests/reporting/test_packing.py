"""The data of a history in the page: columns and slices, metrics, sequence coverage."""

import base64
import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import run
from harness.core.clock import ManualClock
from harness.core.errors import UsageError
from harness.core.history import Event, History, Kind, read_history
from harness.reporting import exercised, write_run_report
from harness.reporting.exercised import Exercised
from harness.reporting.first_cause import first_cause
from harness.reporting.packing import CHUNK, KINDS, brief, pack_events, subject
from harness.reporting.runs import TestRecord
from harness.reporting.series import POINTS, series
from harness.sequences import SequenceCatalogue, catalogue, load


def event(kind: Kind, name: str, at: float = 0.0, about: str = "", /, **data: Any) -> Event:
    source, target = ("Device", "Gateway") if kind is Kind.MESSAGE else ("Kubernetes", "")
    return Event(at, 0, kind, source, target, name, data, about)


def record(events: list[Event]) -> TestRecord:
    return TestRecord("t.py::test", "", "passed", None, "", 1.0, "", events=events)


def test_the_columns_have_the_layout_that_the_page_reads() -> None:
    events = [
        event(Kind.MESSAGE, "Heartbeat", 10.0, "board-1", device="board-1"),
        event(Kind.STATE, "Device", 10.5, "board-1", name="board-1", status={"phase": "Connected"}),
        event(Kind.CONSOLE, "Console", 12.25, "board-1", text="hello"),
    ]
    packed = pack_events(events)
    columns = gzip.decompress(base64.b64decode(packed["columns"]))
    assert len(columns) == len(events) * 33
    assert struct.unpack("<3d", columns[:24]) == (0.0, 0.5, 2.25)
    words = [struct.unpack("<3I", columns[24 + 12 * column : 36 + 12 * column]) for column in range(6)]
    text = [[packed["strings"][index] for index in column] for column in words]
    assert text == [
        ["Device", "Kubernetes", "Kubernetes"],
        ["Gateway", "", ""],
        ["Heartbeat", "Device", "Console"],
        ["board-1"] * 3,
        ["board-1", "board-1", ""],
        ["", "Connected", ""],
    ]
    assert [KINDS[index] for index in columns[-3:]] == [Kind.MESSAGE, Kind.STATE, Kind.CONSOLE]


def test_long_histories_are_cut_into_slices() -> None:
    packed = pack_events([event(Kind.NOTE, "step", number, number=number) for number in range(2 * CHUNK + 1)])
    sizes = [gzip.decompress(base64.b64decode(chunk)).count(b"\n") + 1 for chunk in packed["chunks"]]
    assert sizes == [CHUNK, CHUNK, 1]


def test_an_empty_history_is_packed() -> None:
    assert pack_events([])["chunks"] == []
    assert series([]) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (event(Kind.MESSAGE, "PATCH Device", code=200, status={"phase": "Enrolled"}), "Enrolled"),
        (event(Kind.MESSAGE, "PATCH Device", code=409, status={"phase": "Enrolled"}), "409 Enrolled"),
        (event(Kind.MESSAGE, "Error", code="CERTIFICATE_INVALID", message="expired"), "CERTIFICATE_INVALID"),
        (event(Kind.MESSAGE, "DeploymentResult", ok=True, device="b"), ""),
        (event(Kind.MESSAGE, "DeploymentResult", ok=False, device="b"), "False"),
        (event(Kind.MESSAGE, "ConnectionClosed", reason="closed by the peer"), "closed by the peer"),
        (event(Kind.STATE, "Device", change="modified", status={"health": "healthy"}), "health"),
        (event(Kind.STATE, "Device", change="deleted"), "deleted"),
        (event(Kind.STATE, "Device", change="modified", status="odd"), "modified"),
        (event(Kind.FAULT, "cut link", board="board-1"), "board-1"),
        (event(Kind.CONSOLE, "Console", text="hello", board="board-1"), ""),
    ],
)
def test_the_short_text_of_an_event(said: Event, words: str) -> None:
    assert brief(said) == words


def test_the_subject_of_an_event() -> None:
    assert subject(event(Kind.MESSAGE, "Deploy", device="board-1", applicationId="blink")) == "board-1"
    assert subject(event(Kind.FAULT, "kill gateway", gateway="gateway-1")) == "gateway-1"
    assert subject(event(Kind.NOTE, "remark")) == ""


def test_metrics_over_time() -> None:
    beat = {"device": "b", "metrics": {"memory_used_bytes": 4096}}
    events = [
        event(Kind.MESSAGE, "TlsConnected", 0.0, "b", device="b"),
        event(Kind.STATE, "Device", 1.0, "b", name="b", status={"phase": "Connected"}),
        event(Kind.MESSAGE, "Heartbeat", 2.0, "b", **beat),
        event(Kind.MESSAGE, "ConnectionClosed", 5.0, "b", device="b"),
        event(Kind.STATE, "Device", 6.0, "b", name="b", status={"phase": "Disconnected"}),
        event(Kind.NOTE, "end", 10.0),
    ]
    lines = {line["name"]: line for line in series(events)}
    assert set(lines) == {"sessions", "connected", "frames", "memory"}

    def at(name: str, time: float) -> float:
        return [value for place, value in lines[name]["points"] if place <= time + 1e-6][-1]

    assert [at("sessions", time) for time in (1.0, 4.9, 5.1)] == [1, 1, 0]
    assert [at("connected", time) for time in (0.9, 1.1, 6.1)] == [0, 1, 0]
    assert [at("memory", time) for time in (1.9, 2.1, 5.1)] == [0, 4096, 0]
    assert max(value for _, value in lines["frames"]["points"]) == pytest.approx(POINTS / 10, abs=0.01)
    assert lines["memory"]["unit"] == "bytes"


def test_arrows_that_were_exercised_are_counted(tmp_path: Path) -> None:
    history = History(ManualClock(), tmp_path / "history.jsonl")
    certificate = {"subject": "CN=b"}
    history.record(Kind.MESSAGE, "Device", "Gateway", "TlsConnected", {"device": "b", "certificate": certificate}, "b")
    history.close()
    seen = Exercised()
    seen.add(record(read_history(tmp_path / "history.jsonl")[0]))
    seen.add(record([]))
    rows = seen.rows()
    assert seen.problems == []
    assert {"device-enrollment", "px4-communication"} <= {row["name"] for row in rows}
    assert all(row["pending"] for row in rows if row["name"] == "px4-communication")
    enrollment = next(row for row in rows if row["name"] == "device-enrollment")
    assert len(enrollment["arrows"]) > 10
    assert all(times == 0 for _, _, times in enrollment["arrows"])


def test_a_history_out_of_order_is_not_counted_and_reported(leave: Callable[..., Path], tmp_path: Path) -> None:
    test = leave(tmp_path / "run" / "odd")
    line = {"n": 0, "kind": "message", "source": "Device", "target": "Gateway", "name": "Heartbeat", "data": {}}
    lines = [json.dumps(line | {"at": at, "correlation": "b"}) for at in (2.0, 1.0)]
    (test / "history.jsonl").write_text("\n".join(lines) + "\n")
    page = write_run_report(tmp_path / "run").read_text("utf-8")
    assert "scenarios/odd.py::test_it is not in the sequence coverage" in page


def test_an_unreadable_sequence_is_not_counted_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = load("device-enrollment")
    broken = {"mine": UsageError("expected an arrow", where="mine.mmd:3")}
    monkeypatch.setattr(exercised, "catalogue", lambda: SequenceCatalogue([flow], broken))
    seen = Exercised()
    seen.add(record([event(Kind.NOTE, "step")]))
    assert [row["name"] for row in seen.rows()] == ["device-enrollment"]
    assert seen.problems == ["mine is not in the sequence coverage: mine.mmd:3: expected an arrow"]


def test_the_report_counts_arrows_as_the_command_line_does(capsys: pytest.CaptureFixture[str]) -> None:
    """An arrow of a part counts once for every sequence that includes the part."""
    assert run(["sequences"]) == 0
    table = {line.split()[0]: int(line.split()[2]) for line in capsys.readouterr().out.splitlines()[1:]}
    assert {row["name"]: len(row["arrows"]) for row in Exercised().rows()} == table
    assert set(table) == {flow.name for flow in catalogue().flows}
    assert min(table.values()) >= 5


@pytest.mark.parametrize(
    ("outcome", "message", "fault", "cause"),
    [
        ("failed", "convicts the gateway: ids differ: two of one (event 12, against event 3)", None, 2),
        ("failed", "convicts the gateway: ids differ: two of one (event 12)", 1, 1),
        ("failed", "convicts the gateway: ids differ: two of one (event 12)", 3, 2),
        ("failed", "not Connected within 5 s", 3, 3),
        ("failed", "not Connected within 5 s (event 99)", None, None),
        ("passed", "", 1, None),
    ],
)
def test_the_first_cause_is_a_fault_or_what_convicts(
    outcome: str, message: str, fault: int | None, cause: int | None
) -> None:
    """Numbers in a verdict are those of the events, which need not begin at 0."""
    kinds = [Kind.FAULT if index == fault else Kind.MESSAGE for index in range(5)]
    events = [Event(float(n), 10 + n, kind, "Device", "", "cut link", {}, "") for n, kind in enumerate(kinds)]
    test = TestRecord("t.py::test", "", outcome, None, message, 1.0, "", events=events)
    assert first_cause(test) == cause
