"""``python -m harness.robot_library``: runs suites in parallel with pabot, into one folder, with one page at the end.

All arguments are pabot's and Robot's. The exit code gives the blame, as in each front door: 0 all passed, 1 the product
is wrong, 2 the suites or the command are, 3 the rig failed and the product was not judged.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from robot.run import run_cli

from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.reporting.run_folder import RunFolder
from harness.reporting.runs import iterate_run
from harness.reporting.tally import Tally
from harness.robot_library.run import RUN_FOLDER, finish_run, options_of

__all__ = ["main"]

LONGEST = "200"
"""Lines of a message that Robot shows. By default it cuts a message at 40 lines, in the middle."""
WRONG_DATA, INTERRUPTED = 252, 253
"""Robot's exit codes."""
SIGINT_EXIT = 130
"""A shell's exit code for a command that Ctrl-C ended."""


def main(arguments: list[str]) -> int:
    """Run the suites and return the exit code."""
    try:
        root, options = options_of(_variables(arguments))
        folder = RunFolder.new(root, options, SystemClock())
        folder.check()
    except UsageError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    os.environ[RUN_FOLDER] = str(folder.path)
    os.environ["ROBOT_OPTIONS"] = f"--maxerrorlines {LONGEST} {os.environ.get('ROBOT_OPTIONS', '')}"
    code = _run(arguments)
    tally = _tally(folder)
    finish_run(folder, tally)
    if code == WRONG_DATA:
        return UsageError.exit_code
    if code == INTERRUPTED:
        return SIGINT_EXIT
    if code:
        return tally.exit_code or ProductFailure.exit_code
    return RigError.exit_code if tally.not_run else 0


def _run(arguments: list[str]) -> int:
    if find_spec("pabot") is None:
        return int(run_cli(arguments, exit=False))
    from pabot.pabot import main_program

    return int(main_program(["--command", sys.executable, "-m", "robot", "--end-command", "--no-pabotlib", *arguments]))


def _variables(arguments: list[str]) -> dict[str, object]:
    """The variables among the arguments, to find the folder for reports before Robot starts."""
    found: dict[str, object] = {}
    for argument, following in pairwise([*arguments, ""]):
        option, _, value = argument.partition("=") if argument.startswith("--") else (argument, "", "")
        if option in ("-v", "--variable"):
            name, _, text = (value or following).partition(":")
            found[f"${{{name.upper()}}}"] = text
    return found


def _tally(folder: RunFolder) -> Tally:
    tally = Tally()
    if folder.path.is_dir() and any(folder.path.iterdir()):
        for test in iterate_run(folder.path, histories=False):
            tally.count(test.name, test.outcome, test.blame, test.message)
    return tally


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    sys.exit(main(sys.argv[1:]))
