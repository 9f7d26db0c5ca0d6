"""The end of a run: its files, error messages when they cannot be written, and the runs that stay."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import UsageError
from harness.reporting import finish
from harness.reporting.finish import Ci, finish_run
from harness.reporting.retention import is_run, prune_runs, runs_in
from harness.reporting.trend_file import read_trend

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
Leave = Callable[..., Path]


def run_of(reports: Path, day: int) -> Path:
    return reports / f"2026-11-{day:02}T10-00-00-000"


def end(run: Path, **more: Any) -> finish.Finished:
    return finish_run(run, root=run.parents[1], clock=ManualClock(NOW), **more)


def test_a_run_ends_with_a_page_junit_and_a_trend_row(tmp_path: Path, leave: Leave) -> None:
    run = run_of(tmp_path / "reports", 1)
    leave(run / "good")
    leave(run / "bad", outcome="failed", blame="product")
    (tmp_path / "reports" / "bench.json").write_text('[{"name": "enroll", "ratio": 0.5}]')
    done = end(run)
    assert (done.page, done.lines, done.trouble) == (run / "index.html", [], [])
    assert done.messages(tmp_path) == [f"report: reports/{run.name}/index.html"]
    assert b"<failure" in (run / "junit.xml").read_bytes()
    ((row,), trouble) = read_trend(tmp_path / "reports" / "trend.jsonl")
    assert trouble == []
    assert (row["run"], row["passed"], row["failed"], row["figures"]) == (run.name, 1, 1, {"enroll": 0.5})
    assert f'"run":"{run.name}","at":' in (run / "index.html").read_text("utf-8")


def test_ci_gets_annotations_and_a_summary(tmp_path: Path, leave: Leave) -> None:
    run, summary = run_of(tmp_path / "reports", 1), tmp_path / "summary.md"
    leave(run / "bad", outcome="failed", blame="product")
    summary.write_text("before\n")
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(tmp_path.parent),
        "GITHUB_SERVER_URL": "https://example.org",
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_RUN_ID": "7",
    }
    ci = Ci.of(environment)
    assert ci.link == "https://example.org/a/b/actions/runs/7"
    (line,) = end(run, ci=ci).lines
    assert line.startswith(f"::error file={tmp_path.name}/scenarios/bad.py,title=")
    assert summary.read_text("utf-8").startswith("before\n## ❌")


def test_without_ci_there_are_no_annotations() -> None:
    assert Ci.of({"GITHUB_STEP_SUMMARY": "x"}) == Ci()
    assert Ci.of({}, annotations=True, summary=Path("s")) == Ci(True, Path("s"))


def test_an_output_that_cannot_be_written_is_reported_and_the_others_are_written(
    tmp_path: Path, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path / "reports", 1)
    leave(run / "good")
    (tmp_path / "reports" / "trend.jsonl").mkdir()
    (run / "junit.xml").mkdir()

    def full(folder: Path, **_: object) -> Path:
        raise UsageError("the report cannot be written: No space left on device", where=str(folder))

    monkeypatch.setattr(finish, "write_run_report", full)
    done = end(run, ci=Ci(summary=tmp_path / "none" / "summary.md", annotations=True))
    assert done.page is None
    assert [text.splitlines()[0].split(": ", 1)[1] for text in done.trouble] == [
        "this run is not in the trend: Is a directory",
        "the report cannot be written: No space left on device",
        "cannot be written: Is a directory",
        "cannot be written: No such file or directory",
    ]


def test_the_error_of_a_full_disk_names_the_file(tmp_path: Path, leave: Leave) -> None:
    run = run_of(tmp_path / "reports", 1)
    leave(run / "good")
    (run / "junit.xml").symlink_to("/dev/full")
    assert end(run).trouble == [f"{run / 'junit.xml'}: cannot be written: No space left on device"]


def test_a_folder_without_tests_is_reported(tmp_path: Path) -> None:
    run = run_of(tmp_path / "reports", 1)
    run.mkdir(parents=True)
    assert "no test of a run in this folder" in end(run).trouble[0]


def test_the_newest_runs_stay(tmp_path: Path, leave: Leave) -> None:
    reports = tmp_path / "reports"
    for day in range(1, 6):
        leave(run_of(reports, day) / "good")
        (run_of(reports, day) / "index.html").write_text("")
    end(run_of(reports, 5), keep=2)
    assert runs_in(reports) == [run_of(reports, 4), run_of(reports, 5)]
    assert (reports / "trend.jsonl").exists()


def test_folders_that_are_not_runs_are_never_removed(tmp_path: Path, leave: Leave) -> None:
    reports = tmp_path / "reports"
    for day in (1, 2, 3):
        leave(run_of(reports, day) / "good")
        (run_of(reports, day) / "index.html").write_text("")
    elsewhere = leave(tmp_path / "elsewhere" / "good").parent
    (elsewhere / "index.html").write_text("")
    kept = [reports / name for name in ("2025-01-01T00-00-00-000", "nightly", "bench.json", "2025-01-02T00-00-00-000")]
    kept[0].mkdir()
    (kept[0] / "photos.txt").write_text("mine")
    leave(kept[1] / "good")
    kept[2].write_text("[]")
    kept[3].symlink_to(elsewhere)
    assert not any(map(is_run, kept))
    assert prune_runs(reports, ManualClock(NOW), keep=1) == [run_of(reports, day).name for day in (1, 2)]
    assert all(path.exists() for path in kept)
    assert (elsewhere / "good" / "result.json").exists()
    assert prune_runs(tmp_path / "none", ManualClock(NOW)) == []


def test_an_active_run_stays_and_a_dead_run_is_removed(tmp_path: Path, leave: Leave) -> None:
    reports = tmp_path / "reports"
    for day, age in ((1, 0.5 * DAY), (2, 2 * DAY), (3, 0.0)):
        test = leave(run_of(reports, day) / "good")
        for path in (test, test.parent):
            os.utime(path, (NOW - age, NOW - age))
    assert prune_runs(reports, ManualClock(NOW), keep=1) == [run_of(reports, 2).name]
    assert runs_in(reports) == [run_of(reports, 1), run_of(reports, 3)]


def test_the_summary_names_flaky_tests(tmp_path: Path, leave: Leave) -> None:
    run, summary = run_of(tmp_path / "reports", 1), tmp_path / "summary.md"
    leave(run / "shaky", attempts=["failed"])
    end(run, ci=Ci(summary=summary))
    assert "Flaky" in summary.read_text("utf-8")
    assert json.loads((tmp_path / "reports" / "trend.jsonl").read_text())["flaky"] == 1


def test_a_bug_in_one_output_does_not_affect_the_others(
    tmp_path: Path, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path / "reports", 1)
    leave(run / "good")

    def broken(*_: object, **__: object) -> bytes:
        raise ValueError("no such element")

    monkeypatch.setattr(finish, "junit_xml", broken)
    done = end(run)
    assert done.page is not None
    assert done.trouble == [
        f"{run / 'junit.xml'}: a bug in the harness, nothing was written: ValueError: no such element"
    ]
    assert read_trend(tmp_path / "reports" / "trend.jsonl")[0][0]["passed"] == 1
