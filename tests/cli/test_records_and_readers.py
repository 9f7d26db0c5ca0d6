"""Records of ``wasmbed up``, commands without a reader of their output, and unreadable files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.main import READER_GONE, run
from harness.core.history import read_history
from tests.cli.command import Command, Start

RIGHTS = "-dac_override,-dac_read_search"
ORDINARY = [] if os.geteuid() else ["setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}"]
"""A prefix of a command that makes permissions hold for root too."""


def up(start: Start, folder: Path, *arguments: str, prelude: str = "") -> Command:
    ports = ("--port=0", "--http-port=0", f"--kubeconfig={folder / 'kubeconfig'}")
    return start("up", *ports, *arguments, prelude=prelude)


# records


def test_a_record_is_never_overwritten(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history, kept = tmp_path / "history", b""
    for name in ("history.jsonl", "history-2.jsonl", "history-3.jsonl"):
        platform = up(start, tmp_path, f"--history={history}", "--boards=none")
        platform.until("running")
        assert (f"record    {history / name} (earlier records stay)" in platform.said) == bool(kept)
        assert platform.end(signal.SIGINT) == 0
        assert (history / "history.jsonl").read_bytes().startswith(kept)
        kept = kept or (history / "history.jsonl").read_bytes()
        assert read_history(history / name)[0]
    assert run(["check", str(history)]) == 0
    assert capsys.readouterr().out.count("good  ") == 3


FULL = """
import resource, sys
sys.dont_write_bytecode = True  # a bytecode file would be incomplete, and the next import would fail
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # the largest size of a file
"""


def test_a_full_disk_is_reported_once_and_ends_nothing(start: Start, tmp_path: Path) -> None:
    history = tmp_path / "history"
    platform = up(start, tmp_path, f"--history={history}", "--boards=virtual=3", "--heartbeat=200ms", prelude=FULL)
    platform.until("3 Connected")
    assert run(["devices", f"--kubeconfig={tmp_path / 'kubeconfig'}"]) == 0
    assert platform.end(signal.SIGINT) == 0, platform.said
    warning = f"warning: {history / 'history.jsonl'}: recording stopped: File too large"
    assert platform.said.count(warning) == 1
    assert "Traceback" not in platform.said
    assert platform.said.endswith("stopping\nstopped\n")
    assert read_history(history / "history.jsonl")[0]


def test_a_platform_may_have_no_boards(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform = up(start, tmp_path, "--boards=none")
    platform.until("running")
    assert run(["status", f"--kubeconfig={tmp_path / 'kubeconfig'}"]) == 0
    output = capsys.readouterr().out
    assert "gateway-1" in output
    assert "devices: none" in output
    assert platform.end(signal.SIGTERM) == 0
    assert platform.said.endswith("stopping\nstopped\n")


def test_up_starts_the_cluster_alone(start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = start("up", "--only=cluster", f"--kubeconfig={tmp_path / 'kubeconfig'}")
    cluster.until("running")
    assert "gateway" not in cluster.said
    assert run(["devices", f"--kubeconfig={tmp_path / 'kubeconfig'}"]) == 0
    assert run(["status", f"--kubeconfig={tmp_path / 'kubeconfig'}"]) == 0
    output = capsys.readouterr().out
    assert "no devices in namespace wasmbed" in output
    assert "no gateways in namespace wasmbed" in output
    assert cluster.end(signal.SIGTERM) == 0


def test_boards_with_the_cluster_alone_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--only=cluster", "--boards=virtual=2"]) == 2
    assert "--only cluster: --boards: without a platform there is nothing to set" in capsys.readouterr().err


# readers


@pytest.fixture
def platform(start: Start, tmp_path: Path) -> Command:
    platform = up(start, tmp_path, "--boards=virtual=1")
    platform.until("1 Connected")
    return platform


@pytest.mark.parametrize("command", [["logs", "-f", "virtual-1"], ["monitor"]], ids=" ".join)
def test_a_reader_that_goes_away_ends_a_command_quietly(
    start: Start, platform: Command, tmp_path: Path, command: list[str]
) -> None:
    """The reader closes the pipe as ``head`` does, also while there is nothing to write."""
    reading, writing = os.pipe()
    following = start(*command, f"--kubeconfig={tmp_path / 'kubeconfig'}", output=writing)
    os.close(writing)
    assert os.read(reading, 10)
    os.close(reading)
    assert following.end() == READER_GONE
    assert following.said == ""


def test_a_closed_output_ends_a_command_quietly(start: Start, platform: Command, tmp_path: Path) -> None:
    for command in (["devices"], ["status"], ["logs", "virtual-1"]):
        reading, writing = os.pipe()
        os.close(reading)
        shown = start(*command, f"--kubeconfig={tmp_path / 'kubeconfig'}", output=writing)
        os.close(writing)
        assert (shown.end(), shown.said) == (READER_GONE, "")


def test_output_that_cannot_be_written_does_not_blame_the_cluster(
    start: Start, platform: Command, tmp_path: Path
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    for command in (["devices"], ["logs", "virtual-1"], ["status"]):
        shown = start(*command, f"--kubeconfig={tmp_path / 'kubeconfig'}", output=full)
        assert shown.end() == 3
        assert "error: the output cannot be written: No space left on device" in shown.said
    shown = start("--help", output=full)
    assert shown.end() == 3
    assert "error: cannot be written: No space left on device" in shown.said
    os.close(full)


# the monitor, and a platform that dies


def test_the_monitor_reports_a_lost_platform_and_reconnects(start: Start, tmp_path: Path) -> None:
    first = up(start, tmp_path, "--boards=virtual=2")
    first.until("2 Connected")
    watching = start("monitor", f"--kubeconfig={tmp_path / 'kubeconfig'}")
    watching.until("device virtual-2: Connected")
    first.end(signal.SIGKILL)
    watching.until("connection lost: ")
    second = up(start, tmp_path, "--boards=virtual=1")
    second.until("1 Connected")
    watching.until("connected again")
    assert watching.said.count("connection lost: ") == 1
    assert "device virtual-2: deleted" in watching.said, "the new platform does not have it"
    assert second.end(signal.SIGINT) == 0
    watching.until(
        "the kubeconfig does not exist; reconnecting" if "does not exist" in watching.said else "connection lost: "
    )
    assert watching.end(signal.SIGINT) == 0
    assert "Traceback" not in watching.said


# files without permission


@pytest.mark.skipif(bool(ORDINARY) and shutil.which("setpriv") is None, reason="root may read everything here")
@pytest.mark.parametrize(
    "command",
    [
        ["devices", "--kubeconfig=FILE"],
        ["devices", "--kubeconfig=FOLDER/in/it"],
        ["monitor", "--kubeconfig=FILE"],
        ["up", "--kubeconfig=FOLDER/in/it"],
        ["up", "--kubeconfig=FILE"],
        ["deploy", "FILE", "--to=all"],
        ["check", "FILE"],
        ["check", "FOLDER/in/it"],
        ["check", "FILE", "--sequence=FILE.mmd"],
        ["sequences", "list", "FILE.mmd"],
        ["sequences", "parse", "FILE"],
        ["sequences", "record", "FILE"],
        ["compare", "FOLDER", "FOLDER"],
        ["compare", "FOLDER/in/it", "latest"],
        ["compare", "latest", "previous", "--reports=FOLDER"],
        ["trend", "--reports=FOLDER"],
        ["replay", "FOLDER"],
        ["replay", "FOLDER/in/it"],
        ["clean", "--reports=FOLDER"],
    ],
    ids=" ".join,
)
def test_a_file_without_read_permission_is_a_usage_error(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file.mmd").write_text("x")
    (tmp_path / "folder").mkdir()
    shut = [tmp_path / name for name in ("file", "file.mmd", "folder")]
    for path in shut:
        path.chmod(0)
    replaced = [part.replace("FILE", str(shut[0])).replace("FOLDER", str(shut[2])) for part in command]
    program = [sys.executable, "-c", "from harness.cli import main; main()", *replaced]
    try:
        done = subprocess.run([*ORDINARY, *program], capture_output=True, text=True, timeout=600, check=False)
    finally:
        shut[2].chmod(0o700)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "a bug in the harness" not in done.stderr
    assert "Traceback" not in done.stderr


# invalid kubeconfigs


def odd_kubeconfigs() -> list[bytes]:
    user: dict[str, Any] = {"token": "t"}
    cluster: dict[str, Any] = {"server": "https://127.0.0.1:9"}
    texts = [b"", b"\xff\xfe", b"[1]", b"a: \x00", b"[" * 5000, b"a: *b"]
    changes: list[tuple[dict[str, Any], Any]] = [
        (cluster, {"server": 5}),
        (cluster, {"server": ["a"]}),
        (cluster, {"certificate-authority-data": "!!!"}),
        (cluster, {"certificate-authority": "/nowhere"}),
        (user, {"client-certificate-data": "eA==", "client-key-data": "eA=="}),
        (user, {"tokenFile": "/nowhere"}),
    ]
    for container, change in changes:
        config = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "users": [{"name": "x", "user": change if container is user else user}],
            "clusters": [{"name": "x", "cluster": cluster | change if container is cluster else cluster}],
        }
        texts.append(yaml.safe_dump(config).encode())
    parts = [
        {"current-context": "x", f"{key}s": [{"name": "x", key: "text"}]} for key in ("context", "user", "cluster")
    ]
    return [*texts, *(yaml.safe_dump(part).encode() for part in parts)]


@pytest.mark.parametrize("text", odd_kubeconfigs())
def test_a_file_that_is_not_a_kubeconfig_is_a_usage_error(
    tmp_path: Path, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kubeconfig").write_bytes(text)
    assert run(["status", f"--kubeconfig={tmp_path / 'kubeconfig'}"]) == 2
    assert f"error: {tmp_path / 'kubeconfig'}: " in capsys.readouterr().err


# file descriptors


FEW = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, {hard}))"


def test_the_limit_of_file_descriptors_is_raised(start: Start, tmp_path: Path) -> None:
    platform = up(start, tmp_path, "--boards=virtual=60", "--port=0", prelude=FEW.format(hard=400))
    platform.until("60 Connected")
    assert platform.end(signal.SIGINT) == 0


def test_a_fleet_with_too_few_file_descriptors_is_refused(start: Start, tmp_path: Path) -> None:
    platform = up(start, tmp_path, "--boards=virtual=400", prelude=FEW.format(hard=400))
    assert platform.end() == 3
    assert (
        "error: virtual: 400 boards need 400 x 2 = 800 file descriptors; the limit of this process is 400"
        in platform.said
    )
    assert "LimitNOFILE= of a service" in platform.said
