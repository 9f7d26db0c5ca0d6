"""Runs the programs k3d and docker: the only place where this kind meets them, so tests can replay their output."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.core.errors import reason

__all__ = ["NOT_FOUND", "Commands", "Done", "SystemCommands"]

NOT_FOUND = 127
"""The exit code of a program that is not there, as shells say it."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LEVEL = re.compile(r"^(?:FATA|ERRO|WARN)\[\d+\] ?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Done:
    """The output of a command, and how it ended. k3d prints information on ``out`` and errors on ``err``."""

    command: tuple[str, ...]
    code: int | None
    """The exit code; None if it did not end in its time and was killed."""
    out: str = ""
    err: str = ""

    @property
    def words(self) -> str:
        """All of its output, without colours."""
        return _COLOUR.sub("", f"{self.out}\n{self.err}").strip()

    @property
    def complaint(self) -> str:
        """The last error or warning that it printed, on one line; how it ended if there is none."""
        lines = [line.strip() for line in _COLOUR.sub("", self.err).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("FATA", "ERRO"))] or lines
        # k3d's last line only says that it failed; the line before has the cause.
        causes = [line for line in errors if "Cluster creation FAILED" not in line and ">>> Rolling Back" not in line]
        if not (causes or errors):
            return "it did not end in its time" if self.code is None else f"exit code {self.code}"
        return _LEVEL.sub("", (causes or errors)[-1])


class Commands(Protocol):
    """Runs a command and waits for it, at most ``within`` seconds."""

    def __call__(self, *command: str, within: float = 30.0) -> Done: ...


class SystemCommands:
    """Runs the real programs.

    ``folder`` gets the kubeconfig that k3d edits, and k3d's other files: in the user's, ``create`` changes the current
    context, and ``delete`` rewrites the whole file. None for commands that do not touch them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # With LOG_COLORS=false k3d writes its messages in another form; with LOG_LEVEL=debug it prints secrets.
        settings = {"LOG_COLORS": "true", "LOG_LEVEL": "info", "LOG_TIMESTAMPS": ""}
        self._environment = {**os.environ, **settings}
        if folder is not None:
            self._environment |= {"KUBECONFIG": str(folder / "k3d-default"), "XDG_CONFIG_HOME": str(folder / "k3d")}

    def __call__(self, *command: str, within: float = 30.0) -> Done:
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=within,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            return Done(command, None, _text(error.stdout), _text(error.stderr))
        except OSError as error:
            return Done(command, NOT_FOUND, "", f"{command[0]}: {reason(error)}")
        return Done(command, done.returncode, done.stdout, done.stderr)


def _text(output: bytes | str | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""
