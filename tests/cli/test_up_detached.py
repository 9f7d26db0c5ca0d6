"""``wasmbed up -d``, ``ps`` and ``down``: a platform without a terminal."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.asking import socket_of
from harness.cli.main import run
from tests.cli.command import Command, Start
from tests.output_shapes import check_shape

ANY_PORTS = ("--port=0", "--http-port=0")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """The path of a kubeconfig; whatever platform has written it is stopped at the end."""
    path = tmp_path / "kubeconfig"
    yield path
    run(["down", f"--kubeconfig={path}"])


def test_a_platform_runs_in_the_background_until_it_is_stopped(
    start: Start, kubeconfig: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    option = f"--kubeconfig={kubeconfig}"
    up = start("up", "-d", "--boards=virtual=2", *ANY_PORTS, option)
    assert up.end() == 0
    assert "gateway   127.0.0.1:" in up.said
    assert f"stop it with wasmbed down {option}" in up.said
    assert stat.S_IMODE(socket_of(kubeconfig).stat().st_mode) == 0o600
    assert run(["ps", "-o", "json", option]) == 0
    document = json.loads(capfd.readouterr().out)
    check_shape("ps", document)
    assert [(board["name"], board["power"]) for board in document["boards"]] == [
        ("virtual-1", "on"),
        ("virtual-2", "on"),
    ]
    assert run(["ps", option]) == 0
    assert "virtual-2  virtual  virtual-2  on" in capfd.readouterr().out
    again = start("up", "-d", option)
    assert again.end() == 2
    assert "belongs to a running platform" in again.said
    assert run(["down", option]) == 0
    assert capfd.readouterr().out == "stopped\n"
    assert sorted(os.listdir(kubeconfig.parent)) == ["kubeconfig.log"]
    assert kubeconfig.with_name("kubeconfig.log").read_text().endswith("stopping\nstopped\n")
    for command in ("down", "ps"):
        assert run([command, option]) == 2
        assert "no platform runs here\n  -> start it: wasmbed up -d" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--boards=vitual"], "did you mean 'virtual'?"),
        (["--heartbeat=never"], "heartbeat"),
        (["--cluster=kubeconfig"], "does not run in the background"),
    ],
)
def test_an_error_is_that_of_the_foreground(start: Start, kubeconfig: Path, arguments: list[str], words: str) -> None:
    up = start("up", "-d", *ANY_PORTS, *arguments, f"--kubeconfig={kubeconfig}")
    assert up.end() == 2
    assert words in up.said
    assert not kubeconfig.exists()


def test_a_log_that_cannot_be_written_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kubeconfig.log").mkdir()
    assert run(["up", "-d", f"--kubeconfig={tmp_path / 'kubeconfig'}"]) == 2
    assert f"{tmp_path / 'kubeconfig.log'}: cannot be written: Is a directory" in capsys.readouterr().err


def test_down_stops_a_platform_in_the_foreground_too(start: Start, kubeconfig: Path) -> None:
    up: Command = start("up", "--boards=virtual=1", *ANY_PORTS, f"--kubeconfig={kubeconfig}")
    up.until("1 Connected")
    assert run(["down", f"--kubeconfig={kubeconfig}"]) == 0
    assert up.end() == 0
    assert up.said.endswith("stopping\nstopped\n")


def test_a_platform_that_was_killed_leaves_nothing_that_stops_the_next(start: Start, kubeconfig: Path) -> None:
    option = f"--kubeconfig={kubeconfig}"
    up = start("up", "--boards=none", *ANY_PORTS, option)
    up.until("running")
    assert up.end(signal.SIGKILL) == -signal.SIGKILL
    assert run(["ps", option]) == 2
    again = start("up", "-d", "--boards=none", *ANY_PORTS, option)
    assert again.end() == 0
    assert run(["ps", option]) == 0
