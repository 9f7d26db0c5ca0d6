"""A suite in shards: each test runs in exactly one of them, and their runs make one report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.core.errors import UsageError
from harness.pytest_plugin.shards import parse_shard
from tests.plugin.project import Project

SUITE = """
import pytest
@pytest.mark.parametrize("number", range(4))
async def test_with_a_stack(stack, number): assert number != 1
@pytest.mark.parametrize("number", range(4))
def test_without(number): pass
"""
SHARDS = 2


def test_the_shards_of_a_suite_make_one_report(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the indexes of a Job run them: separate processes that know nothing of each other."""
    runs: list[str] = []
    for index in range(SHARDS):
        project.run(SUITE, f"--shard={index}/{SHARDS}", f"--reports=shard-{index}")
        runs += map(str, (path for path in (project.folder / f"shard-{index}").iterdir() if path.is_dir()))
    assert len(runs) == SHARDS
    monkeypatch.chdir(project.folder)
    assert run(["merge", *runs, "--into", "reports/all"]) == 1
    assert capsys.readouterr().out.startswith("7 passed, 1 failed\n")
    outcomes = project.outcomes()
    assert outcomes.pop("test_with_a_stack[1]") == "failed"
    assert outcomes == {
        f"{name}[{number}]": "passed"
        for name in ("test_with_a_stack", "test_without")
        for number in range(4)
        if (name, number) != ("test_with_a_stack", 1)
    }
    assert (project.folder / "reports" / "all" / "junit.xml").read_text().count("<testcase") == 8


def test_a_shard_is_not_merged_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shard in ("one", "two"):
        folder = tmp_path / shard / "test_it"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"test": "test_it.py::test_it", "outcome": "passed"}))
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert run(["merge", one, two, "--into", str(tmp_path / "all")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {two}: test_it.py::test_it is also in {one}")
    assert not (tmp_path / "all").exists()
    assert run(["merge", one, "--into", two]) == 2
    assert "File exists" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["4/4", "1", "-1/2", "0/0", "a/b"])
def test_what_is_not_a_shard_is_a_usage_error(shard: str) -> None:
    with pytest.raises(UsageError, match=f"--shard: '{shard}' is not a shard"):
        parse_shard(shard)


def test_pytest_says_what_is_not_a_shard(project: Project) -> None:
    done = project.run("def test_it(): pass", "--shard=4/4")
    assert done.returncode == 4
    assert "--shard: '4/4' is not a shard" in done.stderr
