"""One run of Robot: its folder under ``reports`` and its summary; shared by all imports of the library."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from harness.core.clock import SystemClock
from harness.reporting import allure
from harness.reporting.allure_about import write_about
from harness.reporting.run_folder import RunFolder
from harness.reporting.tally import Tally
from harness.reporting.verdict import Verdict
from harness.stack.hosted import left_behind
from harness.stack.options import StackOptions, written
from harness.stack.sources import find_root, read_file, read_options

__all__ = ["RUN_FOLDER", "RobotRun", "finish_run", "options_of", "rerun_command"]

RUN_FOLDER = "WASMBED_RUN_FOLDER"
"""The environment variable that gives parallel Robot processes the folder of their run."""


class RobotRun:
    """The run that the suites of one process share. The last import of the library that closes writes the page, or the
    parent of several processes does."""

    _current: RobotRun | None = None

    def __init__(self, root: Path, options: StackOptions) -> None:
        self.root, self._options = root, options
        self._imports = 0
        self._verdicts: list[Verdict] = []
        self._others: list[Verdict] = []
        """The verdicts of tests that have no folder."""
        self._seen: Counter[str] = Counter()
        self._shared = RUN_FOLDER in os.environ
        if self._shared:
            self.folder = RunFolder(Path(os.environ[RUN_FOLDER]))
        else:
            self.folder = RunFolder.new(root, options, SystemClock())

    @classmethod
    def joined(cls, root: Path, options: StackOptions) -> RobotRun:
        """The run of this process, which the first import of the library starts."""
        if cls._current is None:
            cls._current = cls(root, options)
        cls._current._imports += 1
        return cls._current

    def name_of(self, test: str) -> str:
        """A name for the test that starts, unique in this process: Robot can run several tests of the same name."""
        self._seen[test] += 1
        return test if self._seen[test] == 1 else f"{test} (#{self._seen[test]})"

    def claim(self, verdict: Verdict) -> Path:
        """A new folder for a test. The verdict's name gets its number if another process has a test of that name."""
        folder = self.folder.claim(verdict.test)
        if (number := len(self.folder.claimed(verdict.test))) > 1:
            verdict.test = f"{verdict.test} (#{number})"
        return folder

    def add(self, verdict: Verdict, *, recorded: bool) -> None:
        """Add a test that ended. One that is not ``recorded`` had no stack: it counts if other tests had one."""
        self._verdicts.append(verdict)
        if not recorded:
            self._others.append(verdict)

    def leave(self) -> None:
        """Note that an import of the library closed; the last one writes the page."""
        self._imports -= 1
        if self._imports:
            return
        type(self)._current = None
        if self._others and (self._shared or self.folder.path.is_dir()):
            self.folder.leave(self._others)
        for line in left_behind():
            print(line, file=sys.__stdout__, flush=True)
        if not self._shared:
            tally = Tally()
            for verdict in self._verdicts:
                tally.count(verdict.test, verdict.outcome, verdict.blame, verdict.message)
            finish_run(self.folder, tally)
        elif (results := allure.results_folder()) is not None:  # the parent of the processes does not know these facts
            with suppress(OSError):
                write_about(results, allure.facts_of(asdict(self._options)))


def finish_run(folder: RunFolder, tally: Tally) -> None:
    """Write the page, and print the tests that were not judged, the blame, and the files of the run."""
    lines = [*tally.not_run_messages()]
    if summary := tally.summary():
        lines.append(summary)
    for line in (*lines, *folder.finish().messages(Path.cwd())):
        print(line, file=sys.__stdout__, flush=True)


def rerun_command(name: str, source: Path | None, options: StackOptions, root: Path) -> str:
    """The command that runs one test again with the same options."""
    pattern = "".join(f"[{character}]" if character in "*?[" else character for character in name)
    base = StackOptions.of(read_file(root)[0])
    arguments = ["robot", "--test", pattern]
    for option, text in options.changed(base).items():
        arguments += ["--variable", f"{option.upper()}:{text}"]
    if source is not None:
        arguments.append(str(source.relative_to(Path.cwd()) if source.is_relative_to(Path.cwd()) else source))
    return shlex.join(arguments)


def options_of(variables: Mapping[str, object]) -> tuple[Path, StackOptions]:
    """The project's folder, and the options from Robot's variables, the environment, and the project's file. Raises
    UsageError."""
    root = find_root(Path(str(variables.get("${EXECDIR}", Path.cwd()))))
    given: dict[str, str | None] = {}
    for name in StackOptions.names():
        value = variables.get(f"${{{name.upper()}}}")
        given[name] = written(value) if isinstance(value, str | int | float | Path) else None
    return root, read_options(given, os.environ, root, spelling="${{{NAME}}}")
