"""``wasmbed sequences --check``: vacuous parts are named, and the exit code says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.main import run

FLOW = """sequenceDiagram
    participant Device
    participant Gateway
    Device->>Gateway: Heartbeat
    opt
        Gateway->>Device: HeartbeatAcknowledgment
    end
"""
BEAT = (
    '{"at":0,"n":0,"kind":"message","source":"Device","target":"Gateway","name":"Heartbeat","data":{"device":"pump"},'
    '"correlation":"pump"}\n'
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one diagram of its own, and one history."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios/sequences").mkdir(parents=True)
    (tmp_path / "scenarios/sequences/own-flow.mmd").write_text(FLOW)
    (tmp_path / "reports/2026-01-01T00-00-00-000/one").mkdir(parents=True)
    (tmp_path / "reports/2026-01-01T00-00-00-000/one/history.jsonl").write_text(BEAT)
    return tmp_path


@pytest.mark.parametrize("given", [["--check"], ["--check=reports/2026-01-01T00-00-00-000"]])
def test_an_arrow_that_no_history_exercises_fails(
    project: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sequences", *given]) == 1
    said = capsys.readouterr().out
    assert "own-flow, line 6: never exercised: Gateway->>Device: HeartbeatAcknowledgment\n" in said
    assert "own-flow, line 4" not in said
    assert "by 1 histories of reports/2026-01-01T00-00-00-000" in said


def test_without_a_history_nothing_is_checked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sequences", "--check=scenarios"]) == 2
    assert "there is no history below scenarios" in capsys.readouterr().err
