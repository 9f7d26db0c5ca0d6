"""``wasmbed gdb``: a real gdb at a board that runs in QEMU, which goes on afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.cli.gdb import DEBUGGER
from harness.cli.main import run
from tests.cli.command import HUNG, Command, Start

KIND = "mps2-an385"
BOARD = f"{KIND}-1"
IMAGE = find_platforms("qemu-system-arm")[KIND].image_path
MISSING = QemuTier.unavailable() or (None if IMAGE.exists() else f"no image of {KIND}: `make firmware`")
pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]
needs_gdb = pytest.mark.skipif(shutil.which(DEBUGGER) is None, reason=f"no {DEBUGGER}: see wasmbed doctor")
MODULES = Path("scenarios/modules").resolve()
SOURCE = Path("firmware/wasmbed-node/src/applications/application.rs")


@pytest.fixture(scope="module", autouse=True)
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a platform for the tests of this file."""
    path = tmp_path_factory.mktemp("platform") / "kubeconfig"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(path))
        boards = f"--boards={KIND}=1,virtual=1"
        up = Command("up", "-d", boards, "--port=0", "--http-port=0", "--heartbeat=60", f"--kubeconfig={path}")
        assert up.end() == 0, up.said
        yield path
        run(["down"])


def gdb(*arguments: str) -> str:
    """The output of gdb at the board; it ends well."""
    command = [sys.executable, "-m", "harness.cli", "gdb", BOARD, "-batch", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_gdb
def test_a_breakpoint_in_the_sources_is_reached_and_the_board_goes_on(start: Start) -> None:
    line = next(number for number, text in enumerate(SOURCE.read_text().splitlines(), 1) if "fn new" in text)
    commands = [f"break application.rs:{line}", "continue", "backtrace", "list", "detach"]
    debugger = start("gdb", BOARD, "-batch", *(part for each in commands for part in ("-ex", each)))
    debugger.until("Breakpoint 1 at")
    deploy = start("deploy", str(MODULES / "hello.wat"), "--to", BOARD, "--wait=100")
    assert debugger.end() == 0, debugger.said
    assert "Breakpoint 1, " in debugger.said
    assert SOURCE.read_text().splitlines()[line - 1].strip() in debugger.said  # the listing
    assert "wasmbed-node/src/node.rs" in debugger.said
    assert "detached" in debugger.said
    assert deploy.end() == 0, deploy.said
    assert "Running" in deploy.said


@needs_gdb
def test_the_board_goes_on_after_a_debugger_that_was_killed(start: Start) -> None:
    first = start("gdb", BOARD, "-ex", "echo attached\\n")
    first.until("attached")
    assert run(["gdb", BOARD]) == 2
    first.process.kill()
    first.end()
    assert run(["ps"]) == 0  # the platform has noticed when it answers
    assert "detached" in gdb("-ex", "detach")
    assert run(["stop", "hello", "--wait=100"]) == 0


def test_vs_code_gets_a_configuration_beside_the_others(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".vscode" / "launch.json"
    path.parent.mkdir()
    path.write_text('{"version": "0.2.0", "configurations": [{"name": "mine"}]}')
    waiting = start("gdb", "--vscode", BOARD)
    waiting.until("press Ctrl-C")
    own = json.loads(path.read_text())["configurations"]
    assert [each["name"] for each in own] == ["mine", f"wasmbed: {BOARD}"]
    assert os.path.exists(own[1]["miDebuggerServerAddress"])
    assert waiting.end(signal.SIGINT) == 0
    path.write_text("{ // a comment\n}")
    refused = start("gdb", "--vscode", BOARD)
    assert refused.end() == 2
    assert "add this to its configurations yourself" in refused.said
    assert path.read_text() == "{ // a comment\n}"


@pytest.mark.parametrize(
    ("board", "words"), [("virtual-1", "lacks the feature 'debug'"), ("mps2-an385-2", "did you mean 'mps2-an385-1'")]
)
def test_a_board_without_a_debugger(board: str, words: str, start: Start) -> None:
    refused = start("gdb", board)
    assert refused.end() == (2 if shutil.which(DEBUGGER) else 3)
    assert words in refused.said or DEBUGGER in refused.said
