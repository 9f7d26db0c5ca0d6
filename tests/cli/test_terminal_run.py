"""A day at a terminal: the commands of a platform, typed one after the other in tmux. ``reports/terminal.txt`` has what
the terminal showed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import HUNG

pytestmark = [
    pytest.mark.system("tmux"),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux: install Debian's tmux"),
    pytest.mark.skipif(shutil.which("clang") is None, reason="there is no clang: see wasmbed doctor"),
]
RECORD = Path("reports") / "terminal.txt"
PROGRAM = Path(sys.executable).with_name("wasmbed")
HELLO = Path("harness/wasmbed/compile/templates/hello.c").resolve()


class Terminal:
    """A terminal of 100 by 30 characters, with a server of its own. ``shown`` is what was on it, in order."""

    def __init__(self, folder: Path) -> None:
        self.shown = ""
        self._socket = folder / "tmux"
        environment = f"PATH={PROGRAM.parent}:{os.environ['PATH']}"
        self._tmux("new-session", "-d", "-x", "100", "-y", "30", "-c", str(folder), f"env {environment} bash --norc")
        self._tmux("set-option", "-g", "history-limit", "10000")

    def type(self, line: str) -> str:
        """Type a command, and wait for its end; returns what the terminal shows then."""
        self.keys(
            "clear; tmux clear-history; " + line + f'; echo "exit code $?"; tmux -S {self._socket} wait-for -S done'
        )
        self._tmux("wait-for", "done")
        return self._capture(line)

    def keys(self, text: str) -> None:
        """Type a line, and do not wait."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        """Press keys."""
        self._tmux("send-keys", *keys)

    def close(self) -> None:
        """End it, and all that runs in it."""
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], check=False, timeout=HUNG)

    def _capture(self, line: str) -> str:
        shown = self._tmux("capture-pane", "-p", "-S", "-", "-J")
        self.shown += f"$ {line}\n{shown.rstrip()}\n\n"
        return shown

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=HUNG).stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in a folder of its own."""
    terminal = Terminal(tmp_path)
    try:
        yield terminal
    finally:
        terminal.type(f"wasmbed down --kubeconfig {tmp_path}/kubeconfig")
        terminal.close()
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(terminal.shown, "utf-8")


def test_a_day_at_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    shutil.copyfile(HELLO, tmp_path / "app.c")
    (tmp_path / "day.csv").write_text("0,20\n0.1,21.5\n")
    terminal.type("export KUBECONFIG=$PWD/kubeconfig")
    steps = [
        (
            "wasmbed up -d --boards=virtual=3 --port=0 --http-port=0 --kubeconfig $KUBECONFIG",
            "running in the background",
        ),
        ("wasmbed up -d --port=0 --http-port=0 --kubeconfig $KUBECONFIG", "belongs to a running platform"),
        ("wasmbed ps", "virtual-3  virtual"),
        ("wasmbed wait device/virtual-1 --for phase=Connected", "device/virtual-1: phase=Connected"),
        ("wasmbed build app.c", "compiled"),
        ("wasmbed deploy app.wasm --to all", "running on 3 of 3 devices"),
        ("wasmbed apps", "Running"),
        ("wasmbed logs -a --grep hello", "virtual-3 | "),
        ("wasmbed power cut virtual-2", "virtual-2: off, cut"),
        ("wasmbed power on virtul-2", "did you mean 'virtual-2'"),
        ("wasmbed power on virtual-2", "virtual-2: on"),
        ("wasmbed link cut virtual-3", "virtual-3: link cut"),
        ("wasmbed link restore virtual-3", "virtual-3: link restored"),
        ("wasmbed sensor virtual-1 0 day.csv", "day.csv: all 2 values were set"),
        ("wasmbed gpio --all", "virtual-1"),
        ("wasmbed publications app", "nothing was published yet"),
        ("wasmbed delete application/app", "application/app: deleted"),
        ("wasmbed wait device/virtual-1 --for phase=Failed --timeout 200ms", "exit code 1"),
        ("wasmbed devices -o name", "device/virtual-2"),
    ]
    for line, words in steps:
        shown = terminal.type(line)
        assert words in shown, shown
        assert "Traceback" not in shown
    terminal.keys("wasmbed monitor; tmux -S tmux wait-for -S left")
    terminal.press("q")
    terminal._tmux("wait-for", "left")
    terminal.keys("wasmbed console virtual-1; tmux -S tmux wait-for -S left")
    terminal.press("q")
    terminal._tmux("wait-for", "left")
    assert "stopped" in terminal.type("wasmbed down")
    assert "no platform runs here" in terminal.type("wasmbed ps")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["app.c", "app.wasm", "day.csv", "kubeconfig.log", "tmux"]
