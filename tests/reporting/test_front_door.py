"""The output of pytest for CI and for people at the end of a run, in real runs of a separate project."""

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.reporting.trend_file import read_trend
from tests.forked import run_pytest
from tests.processes import PYTEST

Run = Callable[..., subprocess.CompletedProcess[str]]
ALONE = "-p no:asyncio -p no:anyio -p no:trio"
"""Async plugins that are installed for separate tests."""
OUTCOMES = """
import pytest
from harness.core.errors import RigError

TRIED = []

@pytest.mark.severity("critical")
@pytest.mark.link("https://example.org/5")
async def test_shaky(stack):
    TRIED.append(1)
    assert len(TRIED) > 1

async def test_product(stack):
    device = stack.device("nobody")
    await device.until(phase="Connected", within=0.1)

async def test_rig(stack):
    raise RigError("the board is not there")
"""
PASSES = """
async def test_passes(stack):
    pass
"""
ENROLLS = """
async def test_enrolls(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=20)
    stack.history.follows("device-enrollment")
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs pytest in a separate project: ``run(code, *arguments, limit=None, **environment)``."""
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\naddopts = {ALONE}\n")

    def run(
        code: str, *arguments: str, limit: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(code)
        hidden = ("PYTEST_", "WASMBED_", "GITHUB_", *(["COVERAGE_"] if limit is not None else []))
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        if limit is None:
            return run_pytest("-q", *arguments, folder=tmp_path, environment=kept | environment)
        return subprocess.run(
            [*PYTEST, "-q", *arguments],
            cwd=tmp_path,
            env=kept | environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )

    return run


def test_a_ci_job_sees_failures_and_their_lines(run: Run, tmp_path: Path) -> None:
    summary, workspace = tmp_path / "summary.md", tmp_path.parent
    done = run(
        OUTCOMES,
        "--reruns=1",
        "--only-rerun=AssertionError",
        "--junitxml=junit.xml",
        "--seed=7",
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_WORKSPACE=str(workspace),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line.partition("::Device")[0] for line in done.stdout.splitlines() if line.startswith("::")]
    file = f"{tmp_path.name}/test_it.py"
    failed, unrun = (OUTCOMES[: OUTCOMES.index(text)].count("\n") + 1 for text in ("await device", "raise RigError"))
    assert lines == [
        f"::error file={file},line={failed},title=test_it.py%3A%3Atest_product failed (to blame%3A product)",
        f"::warning file={file},line={unrun},title=test_it.py%3A%3Atest_rig not run (to blame%3A rig)"
        "::the board is not there%0A%0Arun again: pytest test_it.py::test_rig --seed=7",
    ]
    text = summary.read_text("utf-8")
    assert ": 1 failed, 1 not run, 1 passed" in text
    assert "Flaky (both passed and failed with the same sources and options): `test_it.py::test_shaky`" in text
    ((row,), _) = read_trend(tmp_path / "reports" / "trend.jsonl")
    (first,) = tmp_path.glob("reports/*/test_it-test_shaky/history-attempt-1.jsonl")
    assert "stack started" in first.read_text()
    assert (row["passed"], row["failed"], row["not_run"], row["flaky_tests"]) == (1, 1, 1, ["test_it.py::test_shaky"])


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_ci_job_sees_failures_without_a_stack_too(run: Run, tmp_path: Path, workers: tuple[str, ...]) -> None:
    plain = "def test_plain():\n    assert 1 == 2\n\ndef test_good():\n    pass\n"
    done = run(plain + PASSES, *workers, "--annotations=yes", "--summary=summary.md")
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("::"))
    assert line.startswith("::error file=test_it.py,line=1,title=test_it.py%3A%3Atest_plain failed::")
    assert "%0A%0Arun again: pytest test_it.py::test_plain" in line
    text = (tmp_path / "summary.md").read_text("utf-8")
    assert text.startswith("## ❌ ")
    assert ": 1 failed, 2 passed" in text
    assert len(list(tmp_path.glob("reports/*/*/result.json"))) == 1


def test_junit_of_pytest_and_of_the_run_agree(run: Run, tmp_path: Path) -> None:
    run(OUTCOMES, "--junitxml=junit.xml", "--seed=7")
    (own,) = tmp_path.glob("reports/*/junit.xml")
    said = []
    for path in (tmp_path / "junit.xml", own):
        cases = ET.parse(path).getroot().iter("testcase")
        said.append(
            {
                case.get("name"): (
                    {each.get("name"): each.get("value") for each in case.iter("property")},
                    [child.tag for child in case if child.tag not in ("properties", "system-out")],
                )
                for case in cases
            }
        )
    for properties, _ in said[0].values():
        properties.pop("wasmbed-blame", None)
    assert said[0] == said[1]
    properties, _ = said[1]["test_shaky"]
    assert (properties["severity"], properties["link"]) == ("critical", "https://example.org/5")
    assert said[1]["test_product"][0]["blame"] == "product"
    assert said[1]["test_rig"][1] == ["skipped"]


def test_verdicts_stand_when_the_disk_is_full(run: Run, tmp_path: Path) -> None:
    done = run(ENROLLS, limit=8_000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "incomplete history: 1 test (File too large); the verdict stands" in done.stdout
    assert "the report cannot be written: File too large" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    (result,) = tmp_path.glob("reports/*/*/result.json")
    assert json.loads(result.read_text())["lost"] == "File too large"
    ((row,), _) = read_trend(tmp_path / "reports" / "trend.jsonl")
    assert row["passed"] == 1


def test_older_runs_are_removed(run: Run, tmp_path: Path, leave: Callable[..., Path]) -> None:
    reports = tmp_path / "reports"
    for day in ("01", "02"):
        (leave(reports / f"2025-01-{day}T00-00-00-000" / "test").parent / "index.html").write_text("")
    assert run(ENROLLS, "--keep=2").returncode == 0
    kept = sorted(path.name for path in reports.iterdir() if path.is_dir())
    assert len(kept) == 2
    assert kept[0] == "2025-01-02T00-00-00-000"
