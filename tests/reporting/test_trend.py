"""The trend of runs: its rows, flaky tests, and a file with concurrent writers and damaged rows."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import run as wasmbed
from harness.cli.trend import sparkline
from harness.core.errors import UsageError
from harness.reporting.runs import TestRecord
from harness.reporting.trend import Figures, flake_rate, pass_rate, public_row, read_figures, trend_row
from harness.reporting.trend_file import append, read_trend
from harness.reporting.trend_source import source_state

AT = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
VIRTUAL = {"boards": "virtual", "seed": None, "reports": "reports"}


def record(name: str, outcome: str = "passed", **details: Any) -> TestRecord:
    return TestRecord(name, "", outcome, None, "", 0.5, "", {"options": VIRTUAL} | details)


def row(tests: list[TestRecord], earlier: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    return trend_row("run", tests, earlier or [], at=AT, **({"source": "abc"} | more))


def test_a_row_has_counts_and_times() -> None:
    tests = [record("a"), record("b", "failed"), record("c", "not run"), record("d", "skipped")]
    made = row(tests, figures=Figures("2026", {"enroll": 0.5}))
    assert public_row(made) == {
        "run": "run",
        "at": "2026-11-21T07:00:00Z",
        "passed": 1,
        "failed": 1,
        "not_run": 1,
        "skipped": 1,
        "flaky": 0,
        "duration": 1.0,
        "boards": ["virtual"],
        "flaky_tests": [],
        "figures": {"enroll": 0.5},
    }
    assert (pass_rate(made), flake_rate(made)) == (0.5, 0.0)
    assert pass_rate(row([record("c", "not run")])) is None


def test_a_test_that_passed_and_failed_with_the_same_sources_and_options_is_flaky() -> None:
    earlier = [row([record("a", "failed"), record("b"), record("c", "not run"), record("d", "failed")])]
    made = row([record("a"), record("b", "failed"), record("c"), record("d", "failed"), record("e")], earlier)
    assert (made["flaky"], made["flaky_tests"]) == (2, ["a", "b"])


@pytest.mark.parametrize(
    "change",
    [
        {"source": "def"},
        {"source": None},
        {"tests": [record("a", options=VIRTUAL | {"boards": "qemu"})]},
        {"tests": [record("a", options=VIRTUAL | {"seed": 7})]},
    ],
    ids=["other sources", "unknown sources", "another tier", "another seed"],
)
def test_a_test_with_other_sources_or_options_is_not_flaky(change: dict[str, Any]) -> None:
    earlier = [row([record("a", "failed")])]
    tests = change.pop("tests", [record("a")])
    assert row(tests, earlier, **change)["flaky"] == 0


def test_the_folder_of_reports_does_not_matter() -> None:
    earlier = [row([record("a", "failed", options=VIRTUAL | {"reports": "elsewhere", "keep": 3})])]
    assert row([record("a")], earlier)["flaky"] == 1


def test_attempts_of_one_run_count() -> None:
    tests = [record("a", attempts=["failed"]), record("b", "failed", attempts=["failed"]), record("c", attempts=[])]
    assert row(tests, source=None)["flaky_tests"] == ["a"]


def test_figures_are_in_one_row_only(tmp_path: Path) -> None:
    bench = tmp_path / "bench.json"
    bench.write_text(json.dumps([{"name": "enroll", "ratio": 0.5}, {"name": "other", "ratio": None}]))
    figures = read_figures(bench)
    assert figures is not None
    assert figures.ratios == {"enroll": 0.5}
    first = row([], figures=figures)
    assert "figures" in first
    assert "figures" not in row([], [first], figures=figures)
    os.utime(bench, (1, 1))
    assert "figures" in row([], [first], figures=read_figures(bench))


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '[{"name": "x"', '[{"ratio": 1}]'])
def test_figures_may_be_absent(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "bench.json").write_text(content)
    assert read_figures(tmp_path / "bench.json") is None


def add(path: Path, name: str, size: int = 1) -> list[dict[str, Any]]:
    return append(path, lambda earlier: {"run": name, "before": len(earlier), "text": "x" * size})


def test_appended_rows_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "trend.jsonl"
    assert read_trend(path) == ([], [])
    add(path, "one")
    assert [line["run"] for line in add(path, "two")] == ["one", "two"]
    assert [(line["run"], line["before"]) for line in read_trend(path)[0]] == [("one", 0), ("two", 1)]
    assert [line["run"] for line in read_trend(path, last=1)[0]] == ["two"]


WRITER = """
import sys
from pathlib import Path
from harness.reporting.trend_file import append
path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(20):
    append(path, lambda earlier: {"run": f"{name}-{number}", "before": len(earlier), "text": "x" * 20_000})
"""
FULL = """
import resource, sys
from pathlib import Path
from harness.core.errors import UsageError
from harness.reporting.trend_file import append
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    append(Path(sys.argv[1]), lambda earlier: {"run": "large", "text": "x" * 5000})
except UsageError as error:
    print(error)
"""


def test_concurrent_runs_do_not_mix_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "trend.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    rows, trouble = read_trend(path)
    assert trouble == []
    assert {line["run"] for line in rows} == {f"{name}-{number}" for name in "abc" for number in range(20)}
    assert [line["before"] for line in rows] == list(range(60))


def test_a_torn_row_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "trend.jsonl"
    add(path, "one")
    with path.open("ab") as file:
        file.write(b'{"run": "tor')
    rows, trouble = read_trend(path)
    assert [line["run"] for line in rows] == ["one"]
    assert trouble == ["line 2 is invalid and skipped"]
    assert [line["run"] for line in add(path, "three")] == ["one", "three"]
    assert path.read_bytes().count(b"\n") == 3


def test_garbage_is_skipped_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "trend.jsonl"
    path.write_bytes(b'[1]\n\xff\xfe\n{"run": 5}\n\n{"run": "good"}\n')
    rows, trouble = read_trend(path)
    assert [line["run"] for line in rows] == ["good"]
    assert trouble == ["lines 1, 2, 3 are invalid and skipped"]


def test_a_full_disk_leaves_the_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "trend.jsonl"
    add(path, "one")
    before = path.read_bytes()
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")
    }  # its file would fill up too
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], env=kept, capture_output=True, text=True, check=True)
    assert "this run is not in the trend: File too large" in done.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize("work", [lambda path: add(path, "x"), read_trend])
def test_a_file_that_cannot_be_used_is_a_usage_error(tmp_path: Path, work: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Not a directory") as caught:
        work(tmp_path / "file" / "trend.jsonl")
    assert caught.value.do


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first", "--allow-empty"]):
        git(tmp_path, *command)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_the_state_of_the_sources_changes_with_them(repository: Path) -> None:
    states = [source_state(repository)]
    (repository / "sub folder").mkdir()
    file = repository / "sub folder" / "a file"
    for text in ("one", "two and more"):
        file.write_text(text)
        states.append(source_state(repository))
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    states.append(source_state(repository / "sub folder"))
    assert None not in states
    assert len(set(states)) == 4
    assert ["+" in str(state) for state in states] == [False, True, True, False]
    assert source_state(repository) == states[-1]
    file.unlink()
    assert source_state(repository) != states[-1]


def test_without_a_repository_the_state_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert source_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert source_state(tmp_path) is None


@pytest.mark.parametrize(
    ("values", "bars"),
    [([], ""), ([1.0, 1.0], "▄▄"), ([0.0, 7.0, None, 3.0, None], "▁█ ▄"), ([None], "")],
)
def test_sparklines(values: list[float | None], bars: str) -> None:
    assert sparkline(values) == bars
    assert sparkline(values, ascii_only=True).isascii()


def test_wasmbed_trend_shows_the_last_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trend.jsonl"
    append(path, lambda _: row([record("a", "failed")], figures=Figures("x", {"enroll": 0.5})) | {"run": "r-1"})
    append(path, lambda earlier: row([record("a"), record("b", "not run")], earlier) | {"run": "r-2"})
    with path.open("a") as file:
        file.write("{")
    assert wasmbed(["trend", "--reports", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "line 3 is invalid and skipped" in err
    first, second = (line.split() for line in out.splitlines()[1:3])
    assert first == ["r-1", "virtual", "0", "1", "0", "0", "0", "%", "0.5", "s"]
    assert second == ["r-2", "virtual", "1", "0", "1", "1", "100", "%", "0.5", "s"]
    assert "0 % to 100 %, latest 100 %" in out
    assert "enroll" in out
    assert out.splitlines()[-1] == "  a"


def test_runs_on_other_boards_have_separate_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trend.jsonl"
    for boards, outcome in (("virtual", "passed"), ("qemu", "failed"), ("virtual", "passed")):
        made = row([record("a", outcome, options=VIRTUAL | {"boards": boards})])
        append(path, lambda _, made=made: made)
    assert wasmbed(["trend", "--reports", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    spans = dict(re.findall(r"^(pass rate on \w+, 1 test) .* latest (.*?) *$", out, re.MULTILINE))
    assert spans == {"pass rate on virtual, 1 test": "100 %", "pass rate on qemu, 1 test": "0 %"}
    assert "100 % to 100 %" in out


def test_a_run_of_few_tests_is_not_compared_with_the_whole_suite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trend.jsonl"
    whole = [record(name) for name in "abcde"]
    for tests in (whole, whole[:1], [*whole, record("f")]):
        append(path, lambda _, tests=tests: row(tests))
    assert wasmbed(["trend", "--reports", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^time on virtual, 6 tests .* 2\.5 s to 3\.0 s, latest 3\.0 s$", out, re.MULTILINE), out
    assert re.search(r"^time on virtual, 1 test .* 0\.5 s to 0\.5 s, latest 0\.5 s$", out, re.MULTILINE), out


def test_wasmbed_trend_as_json_and_by_tier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trend.jsonl"
    for name in ("r-1", "r-2", "r-3"):
        append(path, lambda _, name=name: row([record("a")]) | {"run": name})
    assert wasmbed(["trend", "--reports", str(tmp_path), "--runs", "2", "--boards", "virtual", "-o", "json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)["runs"]] == ["r-2", "r-3"]
    assert wasmbed(["trend", "--reports", str(tmp_path), "--boards", "qemu"]) == 2
    assert "no runs on boards of tier qemu" in capsys.readouterr().err
    assert wasmbed(["trend", "--reports", str(tmp_path / "none")]) == 2
    assert "no runs" in capsys.readouterr().err
