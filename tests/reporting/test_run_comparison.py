"""``wasmbed compare``: differences between two runs, and between two histories of one test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import run as wasmbed
from harness.core.clock import ManualClock
from harness.core.errors import UsageError
from harness.core.history import History, Kind
from harness.reporting.compare import compare_runs

Leave = Callable[..., None]


@pytest.fixture
def leave(tmp_path: Path) -> Leave:
    """Writes one test of a run: ``leave("first", "test_a", outcome="failed", messages=["Heartbeat"])``."""

    def leave(
        run: str, test: str, outcome: str = "passed", messages: tuple[str, ...] = ("Heartbeat",), **result: Any
    ) -> None:
        followed = result.pop("followed", None)
        folder = tmp_path / run / test
        folder.mkdir(parents=True)
        history = History(ManualClock(), folder / "history.jsonl")
        for name in messages:
            history.record(Kind.MESSAGE, "Device", "Gateway", name, {"device": "board-1"}, "board-1")
        history.record(Kind.CONSOLE, "Device", "", "Console", {"board": "board-1", "text": "hello"}, "board-1")
        if followed is not None:
            history.note("sequence judged", sequence="device-enrollment", followed=followed)
        history.close()
        said = {"test": f"t.py::{test}", "outcome": outcome, "duration": 1.0, "blame": None, "message": ""} | result
        (folder / "result.json").write_text(json.dumps(said))

    return leave


def test_changes_are_grouped_by_kind(tmp_path: Path, leave: Leave) -> None:
    for test, before, after in (
        ("good", "passed", "passed"),
        ("breaks", "passed", "failed"),
        ("heals", "failed", "passed"),
        ("rig", "passed", "not run"),
        ("left_out", "passed", "skipped"),
    ):
        leave("first", test, before)
        leave("second", test, after, blame="product" if after == "failed" else None, message="why\nmore")
    leave("first", "old")
    leave("second", "new", "failed")
    found = compare_runs(tmp_path / "first", tmp_path / "second")
    lists = (found.newly_failing, found.newly_passing, found.newly_not_run, found.other, found.added, found.removed)
    names = [[change.test.removeprefix("t.py::") for change in changes] for changes in lists]
    assert names == [["breaks"], ["heals"], ["rig"], ["left_out"], ["new"], ["old"]]
    assert (found.newly_failing[0].before, found.newly_failing[0].after) == ("passed", "failed")
    assert found.newly_failing[0].blame == "product"
    assert found.same_outcome == 1
    assert found.worse


def test_equal_runs_have_no_differences(tmp_path: Path, leave: Leave) -> None:
    for run in ("first", "second"):
        leave(run, "good", followed=True)
        leave(run, "bad", "failed")
    found = compare_runs(tmp_path / "first", tmp_path / "second")
    assert (found.same_outcome, found.worse, found.times, found.sequences) == (2, False, [], [])
    assert found.boundaries == [("Device -> Gateway", 2, 2), ("console lines", 2, 2)]


def test_times_events_and_verdicts_are_compared(tmp_path: Path, leave: Leave) -> None:
    leave("first", "a", duration=1.0, followed=True)
    leave("second", "a", duration=2.0, followed=False, messages=("Heartbeat",) * 3)
    leave("first", "b", duration=1.0)
    leave("second", "b", duration=1.05)
    leave("first", "rig", "not run", messages=("Heartbeat",) * 50)
    leave("second", "rig", "passed", duration=0.2)
    found = compare_runs(tmp_path / "first", tmp_path / "second")
    assert [(time.test, time.before, time.after) for time in found.times] == [("t.py::a", 1.0, 2.0)]
    assert found.duration == (2.0, pytest.approx(3.05))
    assert found.boundaries == [("Device -> Gateway", 2, 4), ("console lines", 2, 2)]
    (verdict,) = found.sequences
    assert (verdict.test, verdict.before, verdict.after) == ("device-enrollment by t.py::a", "followed", "broken")
    assert found.worse


def test_a_folder_without_a_run_is_an_error(tmp_path: Path, leave: Leave) -> None:
    leave("first", "a")
    with pytest.raises(UsageError, match="no test of a run in this folder"):
        compare_runs(tmp_path / "first", tmp_path / "none")


RUNS = ("2026-11-20T10-00-00-000", "2026-11-21T10-00-00-000")


def test_the_command_finds_runs_by_name_beginning_and_order(
    tmp_path: Path, leave: Leave, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(RUNS[0], "a")
    leave(RUNS[1], "a", "failed", blame="product", message="expected Connected\nmore")
    leave(RUNS[1], "b")
    leave("no-run", "c")
    reports = ["--reports", str(tmp_path)]
    for first, second in ((*RUNS,), ("2026-11-20", "2026-11-21"), ("previous", "latest"), [tmp_path / r for r in RUNS]):
        assert wasmbed(["compare", str(first), str(second), *reports]) == 1
        out = capsys.readouterr().out
        assert f"from  {tmp_path / RUNS[0]}\nto    {tmp_path / RUNS[1]}\n" in out
        assert (
            "newly failing: 1\n    t.py::a: passed -> failed (to blame: product)\n        expected Connected\n" in out
        )
        assert "only in the second run: 1\n    t.py::b: absent -> passed\n" in out
    assert wasmbed(["compare", "latest", "previous", *reports]) == 0
    assert "newly passing: 1" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "words"), [("2026", "2 runs begin with '2026'"), ("2025", "unknown run '2025'")])
def test_an_ambiguous_run_is_a_usage_error(
    tmp_path: Path, leave: Leave, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    for run in RUNS:
        leave(run, "a")
    assert wasmbed(["compare", name, "latest", "--reports", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert RUNS[1] in err


def test_the_histories_of_one_test_are_compared(
    tmp_path: Path, leave: Leave, capsys: pytest.CaptureFixture[str]
) -> None:
    leave("first", "test_enrolls", messages=("EnrollmentRequest", "Heartbeat"))
    leave("first", "test_other")
    leave("second", "test_enrolls", messages=("EnrollmentRequest", "Heartbeat", "RuntimeFault"))
    leave("second", "test_other")
    command = ["compare", str(tmp_path / "first"), str(tmp_path / "second"), "--test"]
    assert wasmbed([*command, "enrolls"]) == 1
    assert "+    RuntimeFault" in capsys.readouterr().out
    with (tmp_path / "second" / "test_other" / "history.jsonl").open("a") as file:
        file.write('{"at": 1')
    assert wasmbed([*command, "t.py::test_other"]) == 0
    out, err = capsys.readouterr()
    assert "test_other: equal histories (2 and 2 events)" in out
    assert "was cut off" in err
    assert wasmbed([*command, "test_"]) == 2
    assert "2 tests have 'test_' in their name" in capsys.readouterr().err


def test_times_and_events_are_printed_and_long_lists_cut(
    tmp_path: Path, leave: Leave, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(45):
        leave("first", f"test_{number}", "failed", duration=1.0)
        leave("second", f"test_{number}", duration=3.0, messages=("Heartbeat",) * 2)
    assert wasmbed(["compare", str(tmp_path / "first"), str(tmp_path / "second")]) == 0
    out = capsys.readouterr().out
    assert "newly passing: 45\n" in out
    assert "    and 5 more\n" in out
    assert "time of tests in both: 45.0 s, 135.0 s\n        1.00 s ->     3.00 s  t.py::test_0\n" in out
    assert "    Device -> Gateway        45 ->       90  +45\n" in out
