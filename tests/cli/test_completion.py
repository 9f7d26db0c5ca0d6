"""Completion in real shells: of commands, and of names from a platform that runs; silent where none does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.main import run
from tests.cli.command import HUNG, Command

PROGRAM = Path(sys.executable).with_name("wasmbed")
ASK = {
    "bash": """
source <(_WASMBED_COMPLETE=bash_source wasmbed)
COMP_WORDS=({words}) COMP_CWORD={number}
_wasmbed_completion wasmbed
printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    "zsh": """
COMP_WORDS="{line}" COMP_CWORD={number} _WASMBED_COMPLETE=zsh_complete wasmbed | sed -n '2~3p'
autoload -U compinit; compinit -D -u 2>/dev/null; source <(_WASMBED_COMPLETE=zsh_source wasmbed)
""",
    "fish": """
_WASMBED_COMPLETE=fish_source wasmbed | source
complete --do-complete "{line}"
""",
}
SHELLS = [
    pytest.param(shell, marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} here"))
    for shell in ASK
]


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a platform with an application."""
    path = tmp_path_factory.mktemp("platform") / "kubeconfig"
    up = Command("up", "-d", "--boards=virtual=2", "--port=0", "--http-port=0", f"--kubeconfig={path}")
    assert up.end() == 0, up.said
    option = f"--kubeconfig={path}"
    assert run(["deploy", "scenarios/modules/idle.wat", "--to=all", option]) == 0
    yield path
    run(["down", option])


def completed(shell: str, line: str, kubeconfig: Path | None = None) -> list[str]:
    """The words that a shell offers for the last one of a line."""
    words = line.split(" ")
    script = ASK[shell].format(words=" ".join(f"'{word}'" for word in words), number=len(words) - 1, line=line)
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    environment.pop("KUBECONFIG", None)
    if kubeconfig is not None:
        environment["KUBECONFIG"] = str(kubeconfig)
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, timeout=HUNG, env=environment, check=True
    )
    assert done.stderr == ""
    return [word.partition("\t")[0] for word in done.stdout.split("\n") if word]


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_and_names_are_completed(shell: str, kubeconfig: Path) -> None:
    assert completed(shell, "wasmbed pow") == ["power"]
    assert completed(shell, "wasmbed power c") == ["cut"]
    assert completed(shell, "wasmbed power cut v", kubeconfig) == ["virtual-1", "virtual-2"]
    assert completed(shell, "wasmbed stop i", kubeconfig) == ["idle"]
    assert completed(shell, "wasmbed delete a", kubeconfig) == ["application/idle"]
    if shell != "fish":  # click's script for fish ends a word at its first comma
        listed = completed(shell, "wasmbed deploy x --to virtual-1,v", kubeconfig)
        assert listed == ["virtual-1,virtual-1", "virtual-1,virtual-2"]
    assert completed(shell, "wasmbed wait device/virtual-1 --for phase=Conn") == ["phase=Connected"]
    assert "virtual" in completed(shell, "wasmbed up --boards v")
    assert "latest" in completed(shell, "wasmbed check l")


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_said_where_no_platform_runs(shell: str, tmp_path: Path) -> None:
    for line in ("power cut v", "stop i", "delete d", "logs v"):
        assert completed(shell, f"wasmbed {line}", tmp_path / "nothing") == []
