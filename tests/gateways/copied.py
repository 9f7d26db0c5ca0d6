"""Gateways that are this project's program, as copies of a process that has imported it: see ``tests.fork_server``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.gateways import program
from tests.forked import Process, forking_commands, start_python

OURS = ["-P", "-m", "harness.cli", "gateway"]
WATCH = 5
"""The arguments of the shell that watches over a program; the program's own come after them. A copy has no such shell:
it is killed with the process that asked for it."""


def copy_our_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``harness.gateways.program`` start this project's gateway as a copy, and all else as it does."""
    forking_commands()  # not while an event loop waits

    def started(command: Sequence[str], **options: Any) -> Process | subprocess.Popen[bytes]:
        python, *arguments = command[WATCH:]
        if python != sys.executable or arguments[: len(OURS)] != OURS:
            return subprocess.Popen(command, **options)
        return start_python(*arguments, folder=Path(options["cwd"]), environment=options["env"], leads=True)

    monkeypatch.setattr(program, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": started}))
