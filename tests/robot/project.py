"""A project folder whose suites run in a separate Robot, and the results of its runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SETTINGS = "*** Settings ***\nLibrary    harness.robot_library{arguments}\n{more}\n*** Test Cases ***\n"


class Project:
    """A project folder with Robot suites."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, cases: str, arguments: str = "", *, more: str = "", name: str = "it") -> None:
        text = SETTINGS.format(arguments="".join(f"    {each}" for each in arguments.split()), more=more) + cases
        (self.folder / f"{name}.robot").write_text(text)

    def start(self, *arguments: str, module: str = "robot", **environment: str) -> subprocess.Popen[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROBOT_", "WASMBED_"))}
        command = [sys.executable, "-m", module, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=kept | environment, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str, module: str = "robot", **environment: str) -> tuple[int, str]:
        with self.start(*arguments, module=module, **environment) as process:
            try:
                output, _ = process.communicate(timeout=300)
            finally:
                process.kill()
        return process.returncode, output

    def results(self) -> dict[str, dict[str, Any]]:
        """The result of each test, by its name."""
        found = (json.loads(path.read_text()) for path in self.folder.glob("reports/*/*/result.json"))
        return {result["test"].rpartition(".")[2]: result for result in found}

    def events(self, test: str) -> list[dict[str, Any]]:
        """A test's history."""
        (path,) = self.folder.glob(f"reports/*/It.{test.replace(' ', '-')}/history.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]
