"""The folder of one run, ``reports/<run>``, which every front door creates, fills and finishes in the same way."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.clock import Clock, SystemClock
from harness.core.errors import UsageError, reason
from harness.core.identifiers import Randomness
from harness.core.plain_json import encode
from harness.core.text import printable
from harness.reporting.runs import VERDICTS
from harness.stack.options import StackOptions

if TYPE_CHECKING:
    from harness.reporting.finish import Finished
    from harness.reporting.verdict import Verdict

__all__ = ["RunFolder", "folder_name"]

_READ_BACK = re.compile(r"(?:\w+/)*\w+\.py::\w+|\w[\w.]*(?: [\w.]+)*", re.ASCII)
"""Test names that their folder's name shows exactly: it has a dash between two words."""
LONGEST = 90
"""The most characters of a test's name in its folder's name."""
LONGEST_COMMAND = 500


class RunFolder:
    """The folder of a run: a folder for each test, the page, and files for CI."""

    def __init__(
        self, path: Path, root: Path | None = None, options: StackOptions | None = None, clock: Clock | None = None
    ) -> None:
        self.path = path
        self._root, self._options, self._clock = root or Path.cwd(), options or StackOptions(), clock or SystemClock()
        self._environment, self._command = dict(os.environ), command_line()

    @classmethod
    def new(cls, root: Path, options: StackOptions, clock: Clock) -> RunFolder:
        """A folder below ``options.reports``, created when the first test writes into it.

        Its name starts with the time, so that names sort, and ends in random digits, so that no two runs share one.
        """
        name = f"{clock.utcnow().strftime('%Y-%m-%dT%H-%M-%S-%f')[:-3]}-{Randomness().token(4)}"
        return cls(root / options.reports / name, root, options, clock)

    def check(self) -> None:
        """Raise UsageError if the folder cannot be created: once, and before any test runs."""
        there = next(each for each in self.path.parents if each.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            what = "cannot be written to" if there.is_dir() else "is not a folder"
            raise UsageError(what, where=str(there), do="name another folder for the reports: --reports")

    def claim(self, test: str) -> Path:
        """Create a folder for the history and the result of ``test``. A folder that exists belongs to another test.

        If no folder can be created, its path is returned: the first write into it raises the error.
        """
        self._make_reports()
        for folder in self._folders(test):
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError:
                pass
            return folder
        raise AssertionError("there is always another name")

    def claimed(self, test: str) -> list[Path]:
        """The existing folders of ``test``, in the order in which they were claimed."""
        found = []
        for folder in self._folders(test):
            if not folder.is_dir():
                break
            found.append(folder)
        return found

    def leave(self, verdicts: Iterable[Verdict]) -> str | None:
        """Append verdicts of tests without a record, one line each. Returns a message if that failed, else None."""
        lines = b"".join(encode(asdict(verdict)) + b"\n" for verdict in verdicts)
        self._make_reports()
        try:
            self.path.mkdir(exist_ok=True)
            with (self.path / VERDICTS).open("ab") as file:
                file.write(lines)
        except OSError as error:
            return reason(error)
        return None

    def finish(self) -> Finished:
        """Write the page, ``junit.xml`` and the other results; nothing if no test had a stack.

        A file that cannot be written is noted in ``trouble``.
        """
        from harness.reporting.finish import Ci, Finished, finish_run

        if not self.path.is_dir():
            return Finished()
        if [entry.name for entry in self.path.iterdir()] == [VERDICTS]:  # no test had a stack
            shutil.rmtree(self.path, ignore_errors=True)
            return Finished()
        options = self._options
        summary = self._root / options.summary if options.summary else None
        ci = Ci.of(self._environment, annotations=options.annotations, summary=summary)
        return finish_run(
            self.path, root=self._root, clock=self._clock, command=self._command, keep=options.keep, ci=ci
        )

    def _make_reports(self) -> None:
        """Create the folder of reports, with a ``.gitignore``."""
        reports = self.path.parent
        if not reports.exists():
            with suppress(OSError):
                reports.mkdir(parents=True)
                (reports / ".gitignore").write_text("# Made by the harness.\n*\n", encoding="utf-8")

    def _folders(self, test: str) -> Iterator[Path]:
        return (self.path / folder_name(test, number) for number in count(1))


def folder_name(test: str, number: int = 1) -> str:
    """The name of the ``number``-th folder of a test: valid on every file system, and different for every test.

    A simple name keeps its words: ``scenarios/test_link.py::test_cut`` becomes ``scenarios-test_link-test_cut``. Every
    other name ends in a tilde, which simple names lack, and a digest of the exact name.
    """
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.replace(".py::", "-").replace("/", "-")).strip("-")
    if number == 1 and len(words) <= LONGEST and _READ_BACK.fullmatch(test):
        return words
    exact = f"{number} {test}".encode("utf-8", "surrogatepass")
    return f"{words[:LONGEST].strip('-.')}~{sha256(exact).hexdigest()[:12]}"


def command_line() -> str:
    """The command that started this process, as a user types it: ``pytest scenarios -n 2``. At most 500 characters."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    module = main.name.removesuffix(".__main__") if main is not None else ""
    program = module if module in ("pytest", "robot") else f"python -m {module}" if module else Path(sys.argv[0]).name
    text = printable(" ".join([program, shlex.join(sys.argv[1:])]).strip())
    return text if len(text) <= LONGEST_COMMAND else f"{text[:LONGEST_COMMAND]}..."
