"""``wasmbed emulators``: wrong options, and a run with a cluster, a gateway, and a board."""

from pathlib import Path

import pytest

from harness.cli.main import run
from harness.core.clock import SystemClock
from harness.wasmbed.pki.authority import Authority


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gateway", "nowhere"], "error: --gateway: invalid address 'nowhere': must be host:port"),
        (["--http", "nowhere"], "error: --http: invalid address 'nowhere': must be host:port"),
        (["--gateway-authority", "absent.der"], "error: absent.der: cannot be read: No such file or directory"),
        (["--device-authority-key", "absent.der"], "error: absent.der: cannot be read: No such file or directory"),
        (["--identity", "No One"], "error: --identity: invalid name 'No One'"),
        (["--identity", "pump-"], "error: --identity: invalid name 'pump-'"),
        (["--kubeconfig", "absent"], "error: absent: "),
    ],
)
def test_emulators_says_what_is_wrong(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Authority.create("devices", SystemClock()).save(tmp_path)
    files = ["--gateway-authority=ca-cert.der", "--device-authority=ca-cert.der", "--device-authority-key=ca-key.der"]
    assert run(["emulators", "--gateway=localhost:1", *files, *arguments]) == 2
    assert capsys.readouterr().err.startswith(message)
