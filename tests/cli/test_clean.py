"""``wasmbed clean`` removes leftovers, and nothing else."""

import os
import socket
import tempfile
from pathlib import Path

import pytest
import yaml

from harness.cli import clean
from harness.cli.kubeconfig import server_of
from harness.cli.main import run
from harness.clusters.existing.ownership import identity
from harness.clusters.k3d import commands
from tests.clusters.k3d.replay import Replay

LONG_AGO = 1_000_000_000


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(clean, "default_kubeconfig", lambda: tmp_path / "kubeconfig")
    monkeypatch.setattr(commands, "SystemCommands", lambda folder: Replay("no docker"))
    return folder


def kubeconfig(path: Path, port: int) -> Path:
    cluster = {"name": "wasmbed", "cluster": {"server": f"https://127.0.0.1:{port}"}}
    path.write_text(yaml.safe_dump({"current-context": "wasmbed", "clusters": [cluster]}))
    return path


def make_run(reports: Path, name: str) -> Path:
    test = reports / name / "a-test"
    test.mkdir(parents=True)
    (test / "result.json").write_text("{}")
    (reports / name / "index.html").write_text("")
    return reports / name


def test_nothing_to_remove_is_said(temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["clean", f"--reports={tmp_path / 'none'}"]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_only_old_runs_are_removed(temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = tmp_path / "reports"
    old, new = (make_run(reports, f"2026-11-2{day}T10-00-00-000") for day in (0, 1))
    (reports / "mine").mkdir()
    assert run(["clean", f"--reports={reports}", "--keep=1"]) == 0
    assert capsys.readouterr().out == f"removed {old}\n"
    assert sorted(reports.iterdir()) == sorted([new, reports / "mine"])


def test_abandoned_folders_are_removed(temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("wasmbed-old", "wasmbed-used", "other-old"):
        (temporary / name).mkdir()
        (temporary / name / "file").touch()
    for name in ("wasmbed-old", "other-old"):
        for path in (temporary / name / "file", temporary / name):
            os.utime(path, (LONG_AGO, LONG_AGO))
    os.utime(temporary / "wasmbed-used", (LONG_AGO, LONG_AGO))
    assert run(["clean", f"--reports={tmp_path / 'none'}"]) == 0
    assert capsys.readouterr().out == f"removed {temporary / 'wasmbed-old'}\n"
    assert sorted(path.name for path in temporary.iterdir()) == ["other-old", "wasmbed-used"]


def test_the_kubeconfig_of_a_dead_platform_is_removed(temporary: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = kubeconfig(tmp_path / "kubeconfig", server.getsockname()[1])
        assert run(["clean", f"--reports={tmp_path / 'none'}"]) == 0
        assert path.exists()
    assert run(["clean", f"--reports={tmp_path / 'none'}"]) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    "text", ["", "current-context: wasmbed", "- a list", "\t", "clusters: 5\ncurrent-context: wasmbed"]
)
def test_a_kubeconfig_of_another_tool_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    assert server_of(tmp_path / "config") is None
    assert server_of(tmp_path / "nothing") is None
    assert server_of(kubeconfig(tmp_path / "ours", 7)) == ("127.0.0.1", 7)


def test_k3d_clusters_of_killed_runs_are_removed(
    temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = identity(os.getpid()).replace(" ", "_")
    ended = f"{alive.partition('_')[0]}_4194305_1"
    made = [Replay("leftovers", DEAD=ended, LIVE=alive, OWN="wasmbed-999997-cccccccc") for _ in range(2)]
    folders = []
    monkeypatch.setattr(commands, "SystemCommands", lambda folder: folders.append(folder) or made[-len(folders)])
    assert run(["clean", f"--reports={tmp_path / 'none'}"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "removed k3d cluster wasmbed-7-dead" in said
    assert f"kept k3d cluster wasmbed-8-live: process {os.getpid()} uses it" in said
    assert "kept k3d cluster dev: --keep-cluster keeps it; wasmbed clean --kept-clusters removes it" in said
    assert "removed k3d cluster wasmbed-999999-aaaaaaaa" in said
    assert run(["clean", f"--reports={tmp_path / 'none'}", "--kept-clusters"]) == 0
    assert "removed k3d cluster dev" in capsys.readouterr().out.splitlines()
    assert not any(folder.exists() for folder in folders)
