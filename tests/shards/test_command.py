"""``wasmbed run`` before it has a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.main import run

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: me, user: {token: secret}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").write_text(KUBECONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "config")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--kubeconfig=absent"], 2, "absent: there is no kubeconfig"),
        (["--context=elsewhere"], 2, "config: not a usable Kubernetes configuration: "),
        ([], 3, "the cluster cannot be reached: Connect call failed"),
        (["--into=config"], 2, "config: it is there already"),
        (["--into=config/run"], 2, "cannot be written: File exists"),
        (["--shards=0"], 2, "0 is not in the range 1<=x<=1000"),
        (["scenarios", "--shard=0/3"], 2, "--shard=0/3: each shard is given its own"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], code: int, says: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "--on=kubernetes", "--shards=2", *arguments]) == code
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in place.rglob("*")) in (["config"], ["config", "reports"])
