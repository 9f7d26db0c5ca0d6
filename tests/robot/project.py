"""A project folder whose suites run in a separate Robot, and the results of its runs."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.forked import Process, run_python, start_python

SETTINGS = "*** Settings ***\nLibrary    harness.robot_library{arguments}\n{more}\n*** Test Cases ***\n"


class Project:
    """A project folder with Robot suites."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, cases: str, arguments: str = "", *, more: str = "", name: str = "it") -> None:
        text = SETTINGS.format(arguments="".join(f"    {each}" for each in arguments.split()), more=more) + cases
        (self.folder / f"{name}.robot").write_text(text)

    def start(self, *arguments: str, module: str = "robot", **environment: str) -> Process | subprocess.Popen[bytes]:
        return start_python("-m", module, *arguments, folder=self.folder, environment=self._kept() | environment)

    def run(self, *arguments: str, module: str = "robot", **environment: str) -> tuple[int, str]:
        done = run_python("-m", module, *arguments, folder=self.folder, environment=self._kept() | environment)
        return done.returncode, done.stdout + done.stderr

    @staticmethod
    def _kept() -> dict[str, str]:
        """The environment of all runs."""
        return {key: value for key, value in os.environ.items() if not key.startswith(("ROBOT_", "WASMBED_"))}

    def results(self) -> dict[str, dict[str, Any]]:
        """The result of each test, by its name."""
        found = (json.loads(path.read_text()) for path in self.folder.glob("reports/*/*/result.json"))
        return {result["test"].rpartition(".")[2]: result for result in found}

    def events(self, test: str) -> list[dict[str, Any]]:
        """A test's history."""
        (path,) = self.folder.glob(f"reports/*/It.{test.replace(' ', '-')}/history.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]
